package lab

import "context"

// EtcdTools gives the paths of an etcd and of an etcdctl: those on the PATH, or Debian's, unpacked into the lab's cache.
func EtcdTools(ctx context.Context, log Log) (server, client string, err error) {
	if log == nil {
		log = func(string, ...any) {}
	}
	cache, err := CacheDir()
	if err != nil {
		return "", "", err
	}
	if server, err = etcd(ctx, log, cache); err != nil {
		return "", "", err
	}
	client, err = packageFile{pkg: "etcd-client", path: "usr/bin/etcdctl"}.get(ctx, log, cache)
	return server, client, err
}
