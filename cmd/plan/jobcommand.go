package main

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"plan/steps"
)

// jobKind is the kind that `plan run job` runs.
const jobKind = "run-job"

// jobFlags are the flags of `plan run job` that are more than one field of the kind each.
type jobFlags struct {
	Source string `arg:"" optional:"" help:"Where the work comes from: a directory, a Dockerfile, a git URL or an image; dir:PATH, dockerfile:PATH, git:URL and image:NAME say which. None: --image has everything." placeholder:"SOURCE"`

	Env         map[string]string `help:"An environment variable." mapsep:"none" placeholder:"NAME=VALUE"`
	EnvFrom     map[string]string `help:"An environment variable whose value is a secret: env:VARIABLE or file:PATH." mapsep:"none" placeholder:"NAME=SOURCE"`
	Secret      []string          `help:"A key of a Secret that is made for the job: a file /plan/secrets/NAME/KEY and a variable NAME_KEY. May be given again, also for more keys." sep:"none" placeholder:"NAME.KEY=SOURCE"`
	UseSecret   []string          `help:"A Secret that the cluster has: its files and variables." sep:"none" placeholder:"NAME"`
	SecretEnv   []string          `help:"Which variable has which key of a Secret, instead of NAME_KEY for each." sep:"none" placeholder:"NAME.VARIABLE=KEY"`
	OutputType  map[string]string `help:"An output that the pods write to $PLAN_OUTPUT: string, integer, number, boolean or list." mapsep:"none" placeholder:"NAME=TYPE"`
	PodTemplate string            `help:"A strategic merge patch over the pod's template, as YAML or JSON. Volumes, tolerations, affinity and podFailurePolicy stand in a plan file: --show-plan prints one to begin with." placeholder:"FILE"`
	ExitCode    bool              `help:"With one pod: its exit code replaces 1."`

	olderJobFlags
}

// olderJobFlags are those of the job runner that plan replaces, under its names.
type olderJobFlags struct {
	Num          *int64  `hidden:"" placeholder:"N"`
	BaseImage    *string `hidden:""`
	JobName      *string `hidden:""`
	Retry        *int64  `hidden:"" placeholder:"N"`
	Mem          *string `hidden:""`
	SecretJob    *string `hidden:""`
	Rm           bool    `hidden:""`
	AsDeployment bool    `hidden:""`
	ShowYAML     bool    `hidden:"" name:"show-yaml"`
	Insecure     bool    `hidden:""`
}

// jobFlag is a flag of `plan run job` for a field of the kind, or for one that several sources have.
type jobFlag struct {
	field
	of map[string][]string // the path of it in each source that has it; nil: no field of a source
}

// jobFlagNames are the flags whose names are not made from their fields'. Of an empty name there is none: SOURCE says it, or words behind
// --, or a flag of jobFlags; or only a plan file.
var jobFlagNames = map[string]string{
	"source.directory.path": "", "source.git.url": "", "source.dockerfile.path": "", "source.image": "", "command": "",
	"env": "", "secrets": "", "outputs": "", "podTemplate": "",
	"volumes": "", "tolerations": "", "affinity": "", "podFailurePolicy": "",

	"source.directory.include": "include", "source.directory.exclude": "exclude", "source.directory.transport": "transport", "source.directory.push": "push",
	"source.git.ref": "ref", "source.git.path": "path", "source.git.fetch": "fetch", "source.git.transport": "transport", "source.git.push": "push",
	"source.git.caFile": "git-ca-file", "source.git.insecure": "git-insecure", "source.git.credentials.username": "git-username",
	"source.git.credentials.password": "git-password-from", "source.git.credentials.sshKey": "git-ssh-key-from",
	"source.git.credentials.passphrase": "git-passphrase-from", "source.git.credentials.knownHosts": "git-known-hosts-from",
	"source.dockerfile.context": "build-context", "source.dockerfile.target": "target", "source.dockerfile.args": "build-arg",
	"source.dockerfile.push": "push", "source.dockerfile.builder": "builder",
	"resources.cpu": "cpu", "resources.memory": "memory",
}

// jobFields are the flags of `plan run job` that are fields of the kind.
func jobFields(kind steps.Kind) (list []*jobFlag) {
	known := map[string]*jobFlag{}
	for _, f := range kindFields(kind) {
		if name, special := jobFlagNames[strings.Join(f.path, ".")]; special {
			if f.flag = name; name == "" {
				continue
			}
			if strings.HasSuffix(name, "-from") {
				f.kind = "secret" // known hosts are lines, which nobody types
			}
		}
		flag := known[f.flag]
		if flag == nil {
			flag = &jobFlag{field: f}
			known[f.flag] = flag
			list = append(list, flag)
		}
		if f.path[0] == "source" {
			if flag.of == nil {
				flag.of = map[string][]string{}
			}
			flag.of[f.path[1]] = f.path
		}
	}
	return list
}

// jobCommand is the command `plan run job`.
func jobCommand(kind steps.Kind) any {
	var source, work []reflect.StructField
	for i, f := range jobFields(kind) {
		member := reflect.StructField{Name: "Field" + strconv.Itoa(i), Type: f.goType(), Tag: f.tag()}
		switch {
		case f.of != nil:
			member.Tag += ` group:"Source:"`
			source = append(source, member)
			continue
		case f.flag == "detach":
			member.Tag += ` short:"d"`
		}
		member.Tag += ` group:"Work:"`
		work = append(work, member)
	}
	members := append(slices.Concat(source, work),
		reflect.StructField{Name: "JobFlags", Type: reflect.TypeFor[jobFlags](), Tag: `embed:"" group:"Values:"`},
		reflect.StructField{Name: "KindFlags", Type: reflect.TypeFor[kindFlags](), Tag: `embed:"" group:"Run and cluster:"`})
	return reflect.New(reflect.StructOf([]reflect.StructField{{
		Name: "Command", Type: reflect.StructOf(members),
		Tag: reflect.StructTag(fmt.Sprintf(`cmd:"" name:"job" aliases:%q help:%q`, kind.Name,
			summary(kind)+" What runs in it stands behind --, as in `plan run job ./report -- python report.py`.")),
	}})).Interface()
}

// adjustJob gives flags that all kinds have what they are in `plan run job`.
func adjustJob(root *kong.Node) {
	for _, run := range root.Children {
		for _, job := range run.Children {
			if run.Name != "run" || job.Name != "job" {
				continue
			}
			for _, f := range job.Flags {
				switch f.Name {
				case "follow":
					f.Short = 'f'
				case "timeout":
					f.Help = "Bounds the job. Default: 1h."
				}
			}
		}
	}
}

// isJob tells whether a command line is of `plan run job`.
func isJob(args []string) bool {
	return len(args) > 1 && args[0] == "run" && (args[1] == "job" || args[1] == jobKind)
}

// splitCommand cuts off what stands behind the first -- of `plan run job`: words that are none of plan's. Nil: there is no --.
func splitCommand(args []string) (own, command []string) {
	at := slices.Index(args, "--")
	if at < 0 || !isJob(args) {
		return args, nil
	}
	return args[:at], args[at+1:]
}
