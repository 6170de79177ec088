package lab

import "strings"

// Env are the variables that point programs at the lab, as NAME=value. SSL_CERT_FILE replaces the system's roots
// by a bundle that also has the lab's CA; for AWS's own tools AWS_CA_BUNDLE does the same.
func (l *Lab) Env() []string {
	return []string{
		"KUBECONFIG=" + l.Kubeconfig,
		"SSL_CERT_FILE=" + l.BundleFile,
		"LAB_DIR=" + l.Dir,
		"LAB_CA_FILE=" + l.CAFile,
		"LAB_KUBECTL=" + l.Kubectl,
		"LAB_ETCD=" + l.Etcd,
		"LAB_LIMITED_KUBECONFIG=" + l.Limited,
		"LAB_S3_ENDPOINT=" + l.S3.Endpoint,
		"LAB_S3_REGION=" + l.S3.Region,
		"LAB_S3_BUCKET=" + l.S3.Bucket,
		"LAB_S3_ACCESS_KEY=" + l.S3.AccessKey,
		"LAB_S3_SECRET_KEY=" + l.S3.SecretKey,
		"LAB_BITWARDEN_URL=" + l.Bitwarden.URL,
		"LAB_BITWARDEN_TOKEN=" + l.Bitwarden.Token,
		"LAB_BITWARDEN_PROJECT=" + l.Bitwarden.Project,
		"LAB_BITWARDEN_ACCESS_KEY_ID=" + l.Bitwarden.AccessKeyID,
		"LAB_BITWARDEN_SECRET_KEY_ID=" + l.Bitwarden.SecretKeyID,
		"LAB_BITWARDEN_ENDPOINT_ID=" + l.Bitwarden.EndpointID,
		"LAB_BITWARDEN_REGION_ID=" + l.Bitwarden.RegionID,
		"LAB_BITWARDEN_BUCKET_ID=" + l.Bitwarden.BucketID,
		"LAB_NODE_TOKEN_FILE=" + l.NodeTokenFile(),
		"LAB_PING_URL=" + l.PingURL,
		"LAB_PING_FILE=" + l.PingFile,
		"LAB_NODE=" + l.Node,
		"LAB_REGISTRY=" + l.Registry.Address,
		"LAB_REGISTRY_PRIVATE=" + l.Registry.Private,
		"LAB_REGISTRY_USER=" + l.Registry.User,
		"LAB_REGISTRY_PASSWORD=" + l.Registry.Password,
		"LAB_GIT_URL=" + l.Git.URL,
		"LAB_GIT_DIR=" + l.Git.Dir,
		"LAB_GIT_USER=" + l.Git.User,
		"LAB_GIT_PASSWORD=" + l.Git.Password,
		"LAB_POD_S3_ENDPOINT=" + l.InPods.S3Endpoint,
		"LAB_POD_BITWARDEN_URL=" + l.InPods.BitwardenURL,
		"LAB_POD_PING_URL=" + l.InPods.PingURL,
		"LAB_DOCKER_HOST=" + l.Docker.Host,
		"LAB_DOCKER=" + l.Docker.Program,
	}
}

// Exports is Env for a shell's eval.
func (l *Lab) Exports() string {
	var b strings.Builder
	for _, kv := range l.Env() {
		name, value, _ := strings.Cut(kv, "=")
		b.WriteString("export " + name + "='" + strings.ReplaceAll(value, "'", `'\''`) + "'\n")
	}
	return b.String()
}
