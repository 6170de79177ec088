// Package e2e runs the plan program as its users do, against the servers of a lab: a real etcd, kube-apiserver and
// kube-controller-manager, an S3 server and a Bitwarden-protocol server with TLS. It has tests only; they need
// PLAN_TEST_LAB=1.
package e2e
