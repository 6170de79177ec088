// Package gitrepo finds a commit in a remote git repository and writes its files into a folder.
//
// It speaks git's pack protocol itself, over https, ssh, and, where nothing can be lost by it, http and git. No process is started, and
// nothing that configures git or ssh on this machine is read: no gitconfig, no ssh_config, no netrc, no GIT_ variable, no credential
// helper, no hook. What is taken from outside: proxies named by the environment (HTTPS_PROXY and its like, ALL_PROXY for ssh), the known
// hosts of the user and the machine where Options name none, and the agent at SSH_AUTH_SOCK where they hold no key.
//
// A server is not trusted. What it sends is bounded in bytes, objects, and memory; every object is addressed by the hash of its content, so
// that a commit brings exactly its files; names and messages of a server reach errors only in printable form.
package gitrepo
