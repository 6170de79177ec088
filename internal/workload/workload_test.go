package workload_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"pgregory.net/rapid"

	"plan/internal/workload"
)

// spec is a small one; change may be nil.
func spec(change func(*workload.Spec)) *workload.Spec {
	s := &workload.Spec{
		Name: "nightly-report-0123456789", Namespace: "work",
		Labels:      map[string]string{workload.ManagedBy: workload.Manager, workload.LabelRun: "r1", workload.LabelStep: "report", workload.LabelAttempt: "1"},
		Annotations: map[string]string{workload.AnnotationPlan: "nightly"},
		Image:       "docker.io/library/alpine:3.22", Parallelism: 1, Completions: 1, BackoffLimit: new(int32(0)),
		Pod: workload.Pod{Security: workload.Restricted, RunAsUser: 65532},
	}
	if change != nil {
		change(s)
	}
	return s
}

func build(t *testing.T, change func(*workload.Spec)) *workload.Objects {
	t.Helper()
	o, err := workload.Build(spec(change))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func mainOf(o *workload.Objects) corev1.Container { return o.Job.Spec.Template.Spec.Containers[0] }

// TestThePodIsConfinedWithoutBeingAsked: no security context, no resources, a mounted token, no owner.
func TestThePodIsConfinedWithoutBeingAsked(t *testing.T) {
	o := build(t, func(s *workload.Spec) { s.Source = &workload.Source{Helper: "busybox", Parts: [][]byte{{1}}} })
	pod := o.Job.Spec.Template.Spec
	if *pod.AutomountServiceAccountToken || *pod.EnableServiceLinks || pod.RestartPolicy != corev1.RestartPolicyNever {
		t.Error("token, service links or restart policy are left to the cluster")
	}
	if sc := pod.SecurityContext; !*sc.RunAsNonRoot || *sc.RunAsUser != 65532 || *sc.RunAsGroup != 65532 || *sc.FSGroup != 65532 || sc.SeccompProfile.Type != "RuntimeDefault" {
		t.Errorf("security context %+v", sc)
	}
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		if *c.SecurityContext.AllowPrivilegeEscalation || !slices.Equal(c.SecurityContext.Capabilities.Drop, []corev1.Capability{"ALL"}) {
			t.Errorf("container %s: %+v", c.Name, c.SecurityContext)
		}
		if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() {
			t.Errorf("container %s asks for nothing", c.Name)
		}
	}
	if !*o.Job.Spec.Suspend || *o.Job.Spec.CompletionMode != batchv1.IndexedCompletion || *o.Job.Spec.PodReplacementPolicy != batchv1.Failed {
		t.Errorf("job %+v", o.Job.Spec)
	}
	if o.Job.Spec.TTLSecondsAfterFinished != nil {
		t.Error("a Job that is waited for could vanish before its end is seen")
	}
	o.Own("uid-1")
	if !*o.ConfigMaps[0].Immutable || o.ConfigMaps[0].OwnerReferences[0].UID != "uid-1" || o.ConfigMaps[0].OwnerReferences[0].BlockOwnerDeletion != nil {
		t.Errorf("config map %+v", o.ConfigMaps[0].ObjectMeta)
	}
}

// TestArgumentsAreNeverJoinedNorExpanded: a blank, a quote, a $( ) in a word stay where they are.
func TestArgumentsAreNeverJoinedNorExpanded(t *testing.T) {
	words := []string{"python", "-c", "print(1, 2)", "", "it's", `"$HOME"`, "$(rm -rf /)", "$$", "$$(X)", "$", "a$"}
	o := build(t, func(s *workload.Spec) { s.Command = words })
	var got []string
	for _, word := range mainOf(o).Command {
		got = append(got, expand(word))
	}
	if diff := cmp.Diff(words, got); diff != "" {
		t.Error(diff)
	}
	if c := mainOf(build(t, func(s *workload.Spec) { s.Env = []workload.Variable{{Name: "A", Value: "$(B)"}} })); expand(c.Env[2].Value) != "$(B)" {
		t.Errorf("%q", c.Env[2].Value)
	}
}

// expand is what the kubelet makes of a word with no variable known (k8s.io/kubernetes/third_party/forked/golang/expansion, in our words:
// $$ is a dollar, $(NAME) of an unknown NAME stays).
func expand(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '$' && i+1 < len(s) && s[i+1] == '$' {
			i++
		} else if s[i] == '$' && i+1 < len(s) && s[i+1] == '(' {
			return "expanded"
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// TestWithoutACommandTheImageDecides, where an echo once ran instead.
func TestWithoutACommandTheImageDecides(t *testing.T) {
	c := mainOf(build(t, func(s *workload.Spec) { s.Args = []string{"--all"} }))
	if c.Command != nil || !slices.Equal(c.Args, []string{"--all"}) {
		t.Errorf("%q %q", c.Command, c.Args)
	}
}

func TestTheStartupScriptRunsBeforeTheCommand(t *testing.T) {
	source := &workload.Source{Helper: "busybox", Parts: [][]byte{{1}}, Startup: true}
	c := mainOf(build(t, func(s *workload.Spec) { s.Source, s.Command, s.Args = source, []string{"a", "b c"}, []string{"d"} }))
	if want := []string{"sh", "-c", `sh ./k8s-startup.sh && exec "$@"`, "plan", "a", "b c", "d"}; !slices.Equal(c.Command, want) {
		t.Errorf("%q", c.Command)
	}
	if _, err := workload.Build(spec(func(s *workload.Spec) { s.Source = source })); err == nil || !strings.Contains(err.Error(), "k8s-startup.sh") {
		t.Errorf("without a command: %v", err)
	}
}

func secret(name string, keys ...string) workload.Secret {
	s := workload.Secret{Name: name, Data: map[string]string{}}
	for _, key := range keys {
		s.Data[key] = "value"
	}
	return s
}

// TestSecretsNeverDecideWhatIsRunNorCollide: keys once became variables as they were, PATH and LD_PRELOAD among them, and the later one won.
func TestSecretsNeverDecideWhatIsRunNorCollide(t *testing.T) {
	cases := map[string]struct {
		secrets []workload.Secret
		env     []workload.Variable
		says    string
	}{
		"two keys, one variable":      {secrets: []workload.Secret{secret("db", "a-b", "a.b")}, says: "both give the variable DB_A_B"},
		"two secrets, one variable":   {secrets: []workload.Secret{secret("db-a", "b"), secret("db", "a-b")}, says: "both give the variable DB_A_B"},
		"a secret and env":            {secrets: []workload.Secret{secret("db", "a")}, env: []workload.Variable{{Name: "DB_A"}}, says: "both give the variable DB_A"},
		"LD_PRELOAD by its name":      {secrets: []workload.Secret{secret("ld", "preload")}, says: "LD_PRELOAD"},
		"NODE_OPTIONS by its name":    {secrets: []workload.Secret{secret("node", "options")}, says: "NODE_OPTIONS"},
		"PATH by env":                 {secrets: []workload.Secret{{Name: "x", Data: map[string]string{"p": "v"}, Env: map[string]string{"PATH": "p"}}}, says: "PATH"},
		"BASH_ENV by env of the step": {env: []workload.Variable{{Name: "BASH_ENV", Made: true}}, says: "BASH_ENV"},
		"an existing one named node":  {secrets: []workload.Secret{{Name: "node", Existing: true}}, says: "NODE_"},
		"a key that is not there":     {secrets: []workload.Secret{{Name: "x", Data: map[string]string{"p": "v"}, Env: map[string]string{"A": "q"}}}, says: `wants the key "q"`},
		"a name with capitals":        {secrets: []workload.Secret{secret("My_Project", "a")}, says: "My_Project"},
		"the same twice":              {secrets: []workload.Secret{secret("x", "a"), secret("x", "b")}, says: "there twice"},
		"plan's own variable":         {env: []workload.Variable{{Name: "PLAN_OUTPUT"}}, says: "set by plan"},
		"keys that only it knows":     {secrets: []workload.Secret{{Name: "db.main", Existing: true}, {Name: "db-main", Existing: true}}, says: "secret db.main and secret db-main both give variables DB_MAIN_…: name one of them otherwise with env"},
		"a volume like a hashed one":  {secrets: []workload.Secret{named("db.main"), named("db-main-7d98d358")}, says: "are both the volume plan-secret-db-main-7d98d358: give one of them another name"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := workload.Build(spec(func(s *workload.Spec) { s.Secrets, s.Env = tc.secrets, tc.env }))
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestValuesStandInSecretsOnly, and a rendering has none.
func TestValuesStandInSecretsOnly(t *testing.T) {
	const canary = "canary-0b1d"
	o := build(t, func(s *workload.Spec) {
		s.Env = []workload.Variable{{Name: "TOKEN", Value: canary, Made: true}}
		s.Secrets = []workload.Secret{{Name: "db", Data: map[string]string{"password": canary}}}
		s.Source = &workload.Source{Helper: "git", Git: &workload.Git{URL: "https://x", Commit: "c", Credentials: map[string]string{"password": canary}}}
	})
	if len(o.Secrets) != 3 {
		t.Fatalf("%d secrets", len(o.Secrets))
	}
	text := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if strings.Contains(text(o.Job), canary) || strings.Contains(text(o.ConfigMaps), canary) {
		t.Error("a value stands in the job")
	}
	hash := o.Hash
	o.Redact()
	if strings.Contains(text(o), canary) || strings.Contains(text(o), "Y2FuYXJ5") {
		t.Error("a value stands in the rendering")
	}
	if o.Secrets[0].Annotations[workload.AnnotationRedacted] != "[TOKEN]" {
		t.Errorf("%v", o.Secrets[0].Annotations)
	}
	again := build(t, func(s *workload.Spec) {
		s.Env = []workload.Variable{{Name: "TOKEN", Value: "other", Made: true}}
		s.Secrets = []workload.Secret{{Name: "db", Data: map[string]string{"password": "other"}}}
		s.Source = &workload.Source{Helper: "git", Git: &workload.Git{URL: "https://x", Commit: "c", Credentials: map[string]string{"password": "other"}}}
	})
	if again.Hash != hash {
		t.Error("the hash depends on a secret")
	}
}

// named is an existing secret that gives no variables.
func named(name string) workload.Secret {
	return workload.Secret{Name: name, Existing: true, Env: map[string]string{}}
}

// TestEachSecretHasAVolumeOfItsOwn: dots became dashes and long names were cut, and the API server refused what had one name then.
func TestEachSecretHasAVolumeOfItsOwn(t *testing.T) {
	long := strings.Repeat("a", 50)
	for name, want := range map[string]string{
		"db": "plan-secret-db", "db-main": "plan-secret-db-main", long + "b": "plan-secret-" + long + "b",
		"db.main": "plan-secret-db-main-7d98d358", long + "bc": "plan-secret-" + long[:42] + "-aa667b96", long + "bd": "plan-secret-" + long[:42] + "-c722b055",
	} {
		o := build(t, func(s *workload.Spec) { s.Secrets = []workload.Secret{named(name)} })
		volume, mount := o.Job.Spec.Template.Spec.Volumes[0], mainOf(o).VolumeMounts[0]
		if volume.Name != want || mount.Name != want || mount.MountPath != "/plan/secrets/"+name || volume.Secret.SecretName != name || len(validation.IsDNS1123Label(want)) > 0 {
			t.Errorf("%s: volume %s, mount %s at %s, want %s", name, volume.Name, mount.Name, mount.MountPath, want)
		}
	}
	build(t, func(s *workload.Spec) {
		s.Secrets = []workload.Secret{named("db.main"), named("db-main"), named(long + "bc"), named(long + "bd")}
	})
}

// TestWhatIsBorrowedNeverMeetsWhatIsThere: it came last, so it won over env, and volumes of one name were for the API server to refuse.
func TestWhatIsBorrowedNeverMeetsWhatIsThere(t *testing.T) {
	reference := func(variable string) corev1.EnvVar {
		return corev1.EnvVar{Name: variable, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "first-secret-db"}}}}
	}
	lent := func(volume, path string) *workload.Borrowed {
		return &workload.Borrowed{
			Volumes: []corev1.Volume{{Name: volume, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "first-secret-db"}}}},
			Mounts:  []corev1.VolumeMount{{Name: volume, MountPath: path}},
			Env:     []corev1.EnvVar{reference("PGPASSWORD")},
			EnvFrom: []corev1.EnvFromSource{{Prefix: "MIRROR_", SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "mirror"}}}},
		}
	}
	db := lent("plan-secret-db", "/plan/secrets/db")
	volume := workload.Volume{Mount: corev1.VolumeMount{Name: "data", MountPath: "/data"}, Source: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
	const next = ": what secretsOf brings keeps its names, so give the other another name, or leave it out"
	for name, tc := range map[string]struct {
		change func(*workload.Spec)
		lent   *workload.Borrowed
		says   string
	}{
		"nothing of one name": {func(s *workload.Spec) { s.Secrets = []workload.Secret{secret("other", "a")} }, db, ""},
		"env": {func(s *workload.Spec) { s.Env = []workload.Variable{{Name: "PGPASSWORD", Value: "x"}} }, db,
			"env PGPASSWORD and secretsOf (its Secret first-secret-db) both give the variable PGPASSWORD" + next},
		"a variable of a secret": {func(s *workload.Spec) {
			s.Secrets = []workload.Secret{{Name: "pg", Data: map[string]string{"p": "v"}, Env: map[string]string{"PGPASSWORD": "p"}}}
		}, db, "secret pg and secretsOf (its Secret first-secret-db) both give the variable PGPASSWORD" + next},
		"plan's variable": {func(*workload.Spec) {}, &workload.Borrowed{Env: []corev1.EnvVar{reference("PLAN_OUTPUT")}}, "plan and secretsOf (its Secret first-secret-db) both give the variable PLAN_OUTPUT" + next},
		"keys that only they know": {func(s *workload.Spec) { s.Secrets = []workload.Secret{{Name: "mirror", Existing: true}} }, db,
			"secret mirror and secretsOf (its Secret mirror) both give variables MIRROR_…" + next},
		"a secret": {func(s *workload.Spec) { s.Secrets = []workload.Secret{secret("db", "a")} }, db,
			"secret db and secretsOf (its Secret first-secret-db) are both mounted at /plan/secrets/db" + next},
		"a volume alone, of an older job": {func(s *workload.Spec) { s.Secrets = []workload.Secret{named("db-main")} }, lent("plan-secret-db-main", "/plan/secrets/db.main"),
			"secret db-main and secretsOf (its Secret first-secret-db) are both the volume plan-secret-db-main" + next},
		"a path alone": {func(s *workload.Spec) { s.Volumes = []workload.Volume{volume} }, lent("plan-secret-db", "/data/"),
			"volume data and secretsOf (its Secret first-secret-db) are both mounted at /data" + next},
		"the workspace": {func(s *workload.Spec) { s.Source = &workload.Source{InImage: true} }, lent("plan-secret-db", workload.Workspace),
			"the source and secretsOf (its Secret first-secret-db) are both mounted at /workspace" + next},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := workload.Build(spec(func(s *workload.Spec) { s.Borrowed = tc.lent; tc.change(s) }))
			says := ""
			if err != nil {
				says = err.Error()
			}
			if diff := cmp.Diff(tc.says, says); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestVolumesNeverMeet(t *testing.T) {
	volume := func(name, path string) workload.Volume {
		return workload.Volume{Mount: corev1.VolumeMount{Name: name, MountPath: path}, Source: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
	}
	for name, tc := range map[string]struct {
		volumes []workload.Volume
		says    string
	}{
		"one name":      {[]workload.Volume{volume("a", "/a"), volume("a", "/b")}, "there twice"},
		"one path":      {[]workload.Volume{volume("a", "/a"), volume("b", "/a/")}, "both mounted at /a"},
		"plan's name":   {[]workload.Volume{volume("plan-source", "/a")}, "plan-"},
		"plan's path":   {[]workload.Volume{volume("a", "/plan/secrets/x")}, "plan's own"},
		"the source":    {[]workload.Volume{volume("a", "/workspace/")}, "the source and volume a are both mounted at /workspace"},
		"relative path": {[]workload.Volume{volume("a", "a")}, "not absolute"},
	} {
		if _, err := workload.Build(spec(func(s *workload.Spec) { s.Volumes, s.Source = tc.volumes, &workload.Source{InImage: true} })); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestQuantitiesAreKubernetes: 8GB was once passed on, and 8gb became 8Gi.
func TestQuantitiesAreKubernetes(t *testing.T) {
	for text, says := range map[string]string{
		"8GB": "8Gi (1024-based) or 8G", "8gb": "8Gi (1024-based) or 8G", "128m": "128Mi?", "0": "more than 0", "-1Gi": "no quantity", "2Gi-1Gi": "less than", "": "", "2Gi-8Gi": "", "1e9": "", "x": "no quantity", "8 Gi": "no quantity",
	} {
		_, err := workload.Build(spec(func(s *workload.Spec) { s.Resources.Memory = text }))
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%q: %v", text, err)
		}
	}
	c := mainOf(build(t, func(s *workload.Spec) { s.Resources = workload.Resources{CPU: "500m-2", Memory: "1Gi"} }))
	got := []string{c.Resources.Requests.Cpu().String(), c.Resources.Limits.Cpu().String(), c.Resources.Requests.Memory().String(), c.Resources.Limits.Memory().String()}
	if !slices.Equal(got, []string{"500m", "2", "1Gi", "1Gi"}) {
		t.Errorf("%q", got)
	}
}

func TestAPodTemplateIsReadStrictlyAndKeepsTheLevel(t *testing.T) {
	for name, tc := range map[string]struct {
		patch map[string]any
		says  string
	}{
		"a slip":             {map[string]any{"spec": map[string]any{"hostnetwork": true}}, "hostnetwork"},
		"the host's network": {map[string]any{"spec": map[string]any{"hostNetwork": true}}, "host namespaces"},
		"root":               {map[string]any{"spec": map[string]any{"securityContext": map[string]any{"runAsUser": 0}}}, "runAsUser=0"},
		"privileged":         {map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "main", "securityContext": map[string]any{"privileged": true}}}}}, "privileged"},
		"restarts":           {map[string]any{"spec": map[string]any{"restartPolicy": "OnFailure"}}, "restartPolicy"},
		"no main container":  {map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "main", "$patch": "delete"}}}}, "main must stay"},
		"plan's labels":      {map[string]any{"metadata": map[string]any{"labels": map[string]any{workload.LabelRun: "x"}}}, "plan's own"},
		"fine":               {map[string]any{"metadata": map[string]any{"annotations": map[string]any{"a": "b"}}, "spec": map[string]any{"hostname": "x"}}, ""},
	} {
		_, err := workload.Build(spec(func(s *workload.Spec) { s.Pod.Template = tc.patch }))
		if tc.says == "" && err != nil || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheSameSpecGivesTheSameBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anySpec(t)
		a, errA := workload.Build(s)
		b, errB := workload.Build(s)
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		if errA != nil || errB != nil || string(x) != string(y) {
			t.Fatalf("%v %v", errA, errB)
		}
	})
}

// TestEveryPodIsRestricted holds what Build makes of random specs against the checks of the API server's admission.
func TestEveryPodIsRestricted(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	pods := 0
	for pods < 10_000 {
		rapid.Check(t, func(t *rapid.T) {
			o, err := workload.Build(anySpec(t))
			if err != nil {
				t.Fatal(err)
			}
			var template *corev1.PodTemplateSpec
			if o.Job != nil {
				template = &o.Job.Spec.Template
			} else {
				template = &o.Deployment.Spec.Template
			}
			for _, r := range evaluator.EvaluatePod(level, &template.ObjectMeta, &template.Spec) {
				if !r.Allowed {
					t.Fatalf("%s: %s", r.ForbiddenReason, r.ForbiddenDetail)
				}
			}
			pods++
		})
		if t.Failed() {
			return
		}
	}
}

// anySpec is a valid spec of any shape.
func anySpec(t *rapid.T) *workload.Spec {
	word := rapid.StringMatching(`[ -~]{0,20}`)
	name := rapid.StringMatching(`q[a-z0-9]{0,9}`)
	flip := rapid.Bool()
	return spec(func(s *workload.Spec) {
		s.Deployment = flip.Draw(t, "deployment")
		s.Parallelism = rapid.Int32Range(1, 1000).Draw(t, "parallelism")
		s.Command, s.Args = rapid.SliceOfN(word, 1, 4).Draw(t, "command"), rapid.SliceOfN(word, 0, 4).Draw(t, "args")
		s.Pod.RunAsUser = rapid.Int64Range(1, 1<<31-1).Draw(t, "user")
		s.Pod.ServiceAccountName = rapid.SampledFrom([]string{"", "sa"}).Draw(t, "sa")
		s.Resources = workload.Resources{CPU: rapid.SampledFrom([]string{"", "1", "100m-2"}).Draw(t, "cpu"), Memory: rapid.SampledFrom([]string{"", "1Gi", "64Mi-1Gi"}).Draw(t, "memory")}
		for _, n := range rapid.SliceOfNDistinct(name, 0, 3, func(s string) string { return s }).Draw(t, "secrets") {
			s.Secrets = append(s.Secrets, secret(n, "k"))
		}
		for _, n := range rapid.SliceOfNDistinct(name, 0, 3, func(s string) string { return s }).Draw(t, "volumes") {
			s.Volumes = append(s.Volumes, workload.Volume{Mount: corev1.VolumeMount{Name: n, MountPath: "/mnt/" + n},
				Source: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: n}}})
		}
		for _, n := range rapid.SliceOfNDistinct(name, 0, 3, func(s string) string { return s }).Draw(t, "env") {
			s.Env = append(s.Env, workload.Variable{Name: strings.ToUpper(n), Value: word.Draw(t, "value"), Made: flip.Draw(t, "made")})
		}
		switch rapid.IntRange(0, 3).Draw(t, "source") {
		case 1:
			s.Source = &workload.Source{Helper: "busybox", Digest: "sha256:1", Parts: [][]byte{{1}, {2}}, Startup: flip.Draw(t, "startup")}
		case 2:
			s.Source = &workload.Source{Helper: "git", Git: &workload.Git{URL: "https://x/y", Commit: "c", Credentials: map[string]string{"password": "p"}}}
		case 3:
			s.Source = &workload.Source{InImage: true}
		}
		if flip.Draw(t, "patch") {
			s.Pod.Template = map[string]any{"metadata": map[string]any{"annotations": map[string]any{"note": word.Draw(t, "note")}}}
		}
		if s.Source != nil && s.Source.Startup {
			s.Command = slices.DeleteFunc(s.Command, func(w string) bool { return w == "" })
			s.Command = append(s.Command, "true")
		}
		s.Labels = maps.Clone(s.Labels)
	})
}
