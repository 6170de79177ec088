package main

import (
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"

	tokencheck "plan/internal/checks/nodetoken"
	"plan/internal/nodetoken"
	"plan/internal/secrets"
	"plan/internal/source"
	"plan/internal/source/gitrepo"
	"plan/steps"
	"plan/steps/backupnodetoken"
	"plan/steps/runjob"
	"plan/steps/verifyall"
	"plan/steps/verifynodetoken"
)

// localFile is a file beside the plan that the bundle carries. Paths are relative to the plan, with slashes.
type localFile struct{ field, path string }

// localFolder is a directory beside the plan that a step packs.
type localFolder struct {
	step, path string
	options    source.Options
}

// look finds all of this machine that a run would use: what is carried, what a pod cannot have, and what is to be known.
func (b *bundling) look() {
	b.lookStores()
	b.lookCluster()
	b.lookVariables()
	b.lookSecrets()
	for _, f := range b.sources() {
		switch {
		case f.Source.File != "":
			b.refuse(f.Path, "a pod has no file %s: put the value into a Secret, and take it from: {kubernetes: …}, or from: {env: NAME} with --env-from secret/NAME", f.Source.File)
		case f.Source.Exec != secrets.Exec{} && !b.runsCommands():
			b.refuse(f.Path, "plan's image has no command %s to run: take the value from: {kubernetes: …}, {bitwarden: …} or {env: NAME}; for an image of yours that has the command, add --env PLAN_ALLOW_EXEC=true", f.Source.Exec.Command.Name())
		}
	}
	for _, step := range b.mayRun() {
		for _, action := range b.actions[step.ID] {
			b.lookAction(step.ID, action)
		}
	}
}

func (b *bundling) refuse(field, format string, args ...any) {
	problem := fmt.Errorf("%s: "+format, append([]any{field}, args...)...)
	if !slices.ContainsFunc(b.problems, func(other error) bool { return other.Error() == problem.Error() }) { // of each instance of a matrix
		b.problems = append(b.problems, problem)
	}
}

// say notes what is to be known, once.
func (b *bundling) say(format string, args ...any) {
	if line := fmt.Sprintf(format, args...); !slices.Contains(b.talk, line) {
		b.talk = append(b.talk, line)
	}
}

func (b *bundling) runsCommands() bool {
	allowed, err := strconv.ParseBool(b.env.values["PLAN_ALLOW_EXEC"])
	return err == nil && allowed
}

func (b *bundling) lookCluster() {
	for _, f := range []struct{ field, value string }{{"kubeconfig", b.cluster.Kubeconfig}, {"context", b.cluster.Context}} {
		if f.value != "" {
			b.refuse("spec.cluster."+f.field, "%s; take it out of the file, and where you run it by hand give --%s", noKubeconfig, f.field)
		}
	}
	var bitwarden secrets.BitwardenSpec
	section, _ := b.Secrets["bitwarden"].(map[string]any)
	if err := steps.Decode(section, &bitwarden); err != nil || !b.usesBitwarden() {
		return // readSpecs has decoded it without an error
	}
	if bitwarden.CAFile != "" {
		b.addFile("spec.secrets.bitwarden.caFile", bitwarden.CAFile)
	}
	if bitwarden.StateFile != "" {
		b.say("spec.secrets.bitwarden.stateFile: a pod keeps no file, so every run logs in")
	}
}

func (b *bundling) usesBitwarden() bool {
	return slices.ContainsFunc(b.resolver.Wanted(), func(w secrets.Wanted) bool {
		return w.Bitwarden != secrets.Bitwarden{} || slices.Contains(w.Fields, secrets.TokenField)
	})
}

func (b *bundling) lookStores() {
	for _, p := range b.places() {
		_, named := b.Stores[p.Store]
		switch {
		case named:
		case len(b.env.from) > 0: // such as the older tool's ConfigMap
			b.say("step %s needs a store, and the plan has none: %s has to name one, or a run ends before its first step", p.step.ID, b.env.sources())
			if b.Secrets["bitwarden"] != nil { // as the older tool's ConfigMap has it; then the token is read
				b.resolver.NeedBitwarden("the store of step " + p.step.ID)
			}
		default:
			b.refuse("step "+p.step.ID, "it needs a store, and the plan has none: add spec.stores with a bucket, its endpoint and its credentials. In a pod there is no default")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.specs)) {
		field, spec := "spec.stores."+name, b.specs[name]
		switch {
		case b.Stores[name] == nil:
		case spec.Dir != nil:
			b.refuse(field+".dir", "a folder of a pod is gone with the pod: name a bucket, s3, in its place")
		case spec.S3 != nil && spec.S3.CAFile != "":
			b.addFile(field+".s3.caFile", spec.S3.CAFile)
		}
	}
}

// lookAction finds what a step uses.
func (b *bundling) lookAction(step string, action steps.Action) {
	with := "step " + step + ": with."
	switch a := action.(type) {
	case *runjob.Action:
		b.lookJob(step, a)
	case *backupnodetoken.Action:
		b.addHost(with+"path", a.Path)
		b.lookToken(with+"to", a.To)
	case *verifynodetoken.Action:
		b.lookTokenCheck(with, a.Check)
	case *verifyall.Action:
		if !a.NodeToken.Off {
			b.lookTokenCheck(with+"nodeToken.", a.NodeToken.Check)
		}
	}
}

func (b *bundling) lookTokenCheck(with string, c tokencheck.Check) {
	if c.Path != "" {
		b.addHost(with+"path", c.Path)
	}
	b.lookToken(with+"in", c.In)
}

func (b *bundling) lookToken(field string, to nodetoken.To) {
	if to.File != nil {
		b.refuse(field+".file", "a file of a pod is gone with the pod: keep the token in kubernetes or bitwarden")
	}
}

func (b *bundling) lookJob(step string, a *runjob.Action) {
	with := "step " + step + ": with.source."
	push := ""
	switch s := a.Source; {
	case s.Dockerfile != nil:
		b.refuse(with+"dockerfile", "nothing builds images in a pod: build it here, push it, and name it with source.image")
	case s.Git != nil:
		if push = s.Git.Push; s.Git.CAFile != "" {
			b.addFile(with+"git.caFile", s.Git.CAFile)
		}
		b.lookSSH(with+"git", s.Git)
	case s.Directory != nil && s.Directory.Path == "":
		b.refuse(with+"directory.path", "a directory that only the run can name cannot be carried into a pod: write it out")
	case s.Directory != nil:
		push = s.Directory.Push
		if name, ok := b.relative(with+"directory.path", s.Directory.Path); ok {
			b.addFolder(localFolder{step, name, source.Options{Include: s.Directory.Include, Exclude: s.Directory.Exclude}})
		}
	}
	if push != "" {
		b.say("step %s pushes to %s from its pod: the credentials have to be there: add a volume with a docker configuration to the CronJob, and --env DOCKER_CONFIG=DIR", step, push)
	}
}

// lookSSH wants of an address of ssh what a run elsewhere has from its user. Who fetches is the same: a pod of the job has neither.
func (b *bundling) lookSSH(field string, g *runjob.Git) {
	address, err := gitrepo.Parse(g.URL)
	if err != nil || !address.SSH() { // one that only the run can name is not looked at
		return
	}
	if g.Credentials.KnownHosts.IsZero() {
		b.refuse(field+".credentials.knownHosts", "a pod has no known_hosts, so it trusts no server: write out what ssh-keyscan prints, compared with what the server's operator publishes")
	}
	if g.Credentials.SSHKey.IsZero() {
		b.refuse(field+".credentials.sshKey", "a pod has no ssh agent: give it a key, from: {kubernetes: …}, {bitwarden: …} or {env: NAME}")
	}
}

// addFolder notes a directory, once for all instances of a matrix and all steps that pack the same of it.
func (b *bundling) addFolder(f localFolder) {
	same := func(other localFolder) bool {
		return other.path == f.path && slices.Equal(other.options.Include, f.options.Include) && slices.Equal(other.options.Exclude, f.options.Exclude)
	}
	if !slices.ContainsFunc(b.folders, same) {
		b.folders = append(b.folders, f)
	}
}

func (b *bundling) addFile(field, name string) {
	name, ok := b.relative(field, name)
	if ok && !slices.ContainsFunc(b.files, func(f localFile) bool { return f.path == name }) {
		b.files = append(b.files, localFile{field, name})
	}
}

// relative is a path below or beside the plan's file. Others are places of this machine.
func (b *bundling) relative(field, name string) (string, bool) {
	if filepath.IsAbs(name) {
		b.refuse(field, "%s is a place of this machine: what a pod gets is named relative to the plan file", name)
		return "", false
	}
	return path.Clean(filepath.ToSlash(name)), true
}

// addHost notes the folder of a server's token.
func (b *bundling) addHost(field, name string) {
	if !filepath.IsAbs(name) {
		b.refuse(field, "%s is relative to the plan file: on a node it is an absolute path, such as %s", name, nodetoken.K3sFile)
		return
	}
	folder, certain := nodetoken.Folder(name)
	switch {
	case folder == "/":
		b.refuse(field, "%s: a pod cannot have / of its node: name a file in a folder, or the folder itself with a slash at its end", name)
		return
	case !certain:
		b.say("%s: %s is taken for a file, so all of %s is mounted; where it is a folder, end it with a slash", field, name, folder)
	}
	if !slices.Contains(b.hosts, folder) {
		b.hosts = append(b.hosts, folder)
	}
}
