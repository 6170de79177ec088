package nodetoken

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"plan/internal/backup"
	"plan/internal/checks"
	"plan/internal/etcdsnapshot"
	"plan/internal/nodetoken"
	"plan/steps"
)

// own is the server's own token, or why it could not be read.
type own struct {
	asked bool   // a path names it
	path  string // what was looked at
	file  string // what that has come to
	token nodetoken.Token
	err   error
}

// readOwn reads the server's token. Without a path it is read where it is there.
func readOwn(path string, hide func(string)) (o own) {
	files := []string{path}
	if o.asked = path != ""; !o.asked {
		files = []string{nodetoken.K3sFile, nodetoken.RKE2File}
	}
	for _, o.path = range files {
		if o.token, o.file, o.err = nodetoken.Read(o.path, hide); !errors.Is(o.err, nodetoken.ErrNoFile) {
			break
		}
	}
	return o
}

// compare judges the kept token by the server's.
func (o own) compare(kept nodetoken.Token) checks.Finding {
	f, token, err := checks.Finding{Object: o.path}, o.token, o.err
	switch {
	case err == nil && token.Password() == kept.Password():
		f.Name, f.Verdict, f.Message = checks.OK, checks.Pass, "the server's token is the one that is kept"
		return f
	case err == nil:
		f.Name, f.Verdict = differs, checks.Fail
		f.Message = fmt.Sprintf("the server's token has hash %s, the kept one %s", token.Hash(), kept.Hash())
		f.Cause, f.Next = "the server's token was changed since (k3s token rotate), or another cluster's is kept", "run backup-node-token here; it keeps the earlier one too"
		return f
	case errors.Is(err, nodetoken.ErrNoFile) && !o.asked:
		f.Object = "the server's token file"
		f.Name, f.Verdict, f.Message = notCompared, checks.None, "the kept token was not compared with the server's"
		f.Cause, f.Next = "this is not a server node, or its files are not mounted here", "run it on a server node, or mount the folder and set path"
		return f
	case errors.Is(err, nodetoken.ErrNoFile):
		f.Name, f.Verdict, f.Message = noFile, checks.Unknown, "there is no token to compare with"
		f.Cause, f.Next = err.Error(), "correct path, mount the folder, or leave path out where this is not a server node"
		return f
	case errors.Is(err, nodetoken.ErrToken):
		f.Name, f.Verdict, f.Message = checks.Unreadable, checks.Unknown, "the file has no server token to compare with"
		f.Cause, f.Next = err.Error(), "correct path"
		return f
	case errors.Is(err, fs.ErrPermission):
		f.Name, f.Verdict, f.Message = checks.NotAllowed, checks.Unknown, "the server's token may not be read here"
		f.Cause, f.Next = err.Error(), "run it as root"
		f.Err = err
		return f
	}
	return checks.Broken(o.path, err)
}

// compareSnapshot judges the kept token by what the newest snapshot says it was made with. An error is for a store that is not there.
func (c *Check) compareSnapshot(ctx context.Context, env *steps.Env, place nodetoken.Place, kept nodetoken.Token) (checks.Finding, error) {
	folder, err := backup.CleanPrefix(c.Prefix)
	if err != nil || folder == "" {
		return checks.Finding{Name: notCompared, Verdict: checks.None, Object: "the newest snapshot",
			Message: "the kept token was not compared with a snapshot", Cause: "prefix is not set", Next: "set store and prefix to where etcd snapshots are"}, nil
	}
	store, err := env.Store(c.Store)
	if err != nil {
		return checks.Finding{}, err
	}
	listing, err := etcdsnapshot.List(ctx, store, folder, env.Progress)
	if err != nil {
		return checks.Broken(folder, err), nil // a part of a listing says nothing
	}
	usable, future := listing.Usable(env.Now().Add(checks.Skew))
	switch {
	case len(usable) > 0:
	case len(future) > 0:
		f := checks.Limit{Now: env.Now()}.Judge(future[0].Key, future[0].Time)
		f.Message += "; there is no other snapshot to compare with"
		f.Next = "set the clock of the server that made it, and see that a new one is made"
		return f, nil
	default:
		return checks.Finding{Name: checks.NoBackup, Verdict: checks.Fail, Object: folder, Message: "there is no snapshot",
			Cause: "the listing is complete, and nothing in it is a snapshot", Next: "see that k3s uploads its snapshots, and that prefix is right"}, nil
	}
	key := usable[0].Key
	meta, err := etcdsnapshot.Head(ctx, store, key)
	if err != nil {
		return checks.Broken(key, err), nil
	}
	return judge(ctx, env.Cluster.UID, place, kept, key, meta), nil
}

// judge compares the hash that a snapshot carries with the kept token, then with the earlier ones: any of them will do for a restore.
func judge(ctx context.Context, uid string, place nodetoken.Place, kept nodetoken.Token, key string, meta etcdsnapshot.Meta) checks.Finding {
	f := checks.Finding{Object: key, Data: map[string]any{"tokenHash": meta.TokenHash}}
	switch {
	case meta.TokenHash == "":
		f.Name, f.Verdict, f.Message = noHash, checks.Unknown, "it does not say which token it needs"
		f.Cause, f.Next = "the object has no token-hash: an older k3s made it, or a copy lost its metadata", "upgrade k3s, or use verify-etcd with depth open, which tries the token"
		return f
	case meta.TokenHash == kept.Hash():
		f.Name, f.Verdict, f.Message = checks.OK, checks.Pass, "the kept token is the one of the newest snapshot"
		return f
	}
	f.Name, f.Verdict = doesNotOpen, checks.Fail
	f.Message = fmt.Sprintf("the newest snapshot needs the token with hash %s, the kept one has %s", meta.TokenHash, kept.Hash())
	f.Cause, f.Next = "the server's token was changed and not backed up since", "run backup-node-token on a server node"
	if uid != "" && meta.ClusterID != "" && meta.ClusterID != uid {
		f.Cause, f.Next = "the snapshot is of another cluster, "+meta.ClusterID, "see that prefix is this cluster's own folder"
		return f
	}
	earlier, err := place.Look(ctx, meta.TokenHash)
	switch {
	case err == nil && earlier.Token.Hash() == meta.TokenHash:
		f.Name, f.Verdict, f.Cause, f.Next = checks.OK, checks.Pass, "", ""
		f.Message = "the newest snapshot needs an earlier token, which is kept in " + place.Target(meta.TokenHash)
	case err != nil && !errors.Is(err, nodetoken.ErrNone) && !errors.Is(err, nodetoken.ErrToken) && !errors.Is(err, nodetoken.ErrSource):
		return checks.Broken(place.Target(meta.TokenHash), err)
	}
	return f
}
