package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/jobs"
	"plan/internal/kube"
	"plan/internal/podlogs"
	"plan/internal/printable"
)

// JobsLogsCmd shows the logs of pods.
type JobsLogsCmd struct {
	Name   string `arg:"" help:"The Job or Deployment: its name, a beginning of it that is unique, or RUN/STEP." placeholder:"NAME"`
	Follow bool   `short:"f" help:"Go on: with a Job until it ends, with a Deployment until you end it."`
	ClusterFlags
}

// restOfLogs is how long what pods have written may take to be read once a Job has ended.
const restOfLogs = 30 * time.Second

// Run is `plan jobs logs`.
func (c *JobsLogsCmd) Run(a *app) error {
	signals := watchSignals()
	defer signals.stop()
	client, err := c.client(a)
	if err != nil {
		return err
	}
	list, err := listMade(signals.ctx, client, client.Namespace())
	if err != nil {
		return signals.instead(err)
	}
	m, err := findMade(list, c.Name, client.Namespace())
	if err != nil {
		return err
	}
	l := &jobLogs{app: a, client: client, made: m}
	if c.Follow {
		err = l.follow(signals.ctx)
	} else {
		err = l.print(signals.ctx)
	}
	return signals.quietly(err)
}

// jobLogs are the logs of the pods of one workload.
type jobLogs struct {
	app    *app
	client *kube.Client
	made
	failed error // of writing
}

func (l *jobLogs) line(line podlogs.Line) {
	if _, err := fmt.Fprintln(l.app.out, line.String()); err != nil && l.failed == nil {
		l.failed = fmt.Errorf("write the logs: %w", err)
	}
	l.app.flush()
}

func (l *jobLogs) say(format string, args ...any) {
	fmt.Fprintln(l.app.err, "plan: "+printable.String(fmt.Sprintf(format, args...)))
	l.app.flush()
}

// follow shows the lines that are there and those that come.
func (l *jobLogs) follow(ctx context.Context) error {
	follower := podlogs.Follow(ctx, l.client, l.Namespace, podlogs.Options{Workload: l.Name, Line: l.line})
	tell := func(object json.RawMessage, gone bool) { follower.Pod(podlogs.StateOf(object, gone)) }
	var err error
	if l.Kind == "job" {
		runner := &jobs.Runner{Kube: l.client, Namespace: l.Namespace, Name: l.Name, Log: l.say}
		_, err = runner.Follow(ctx, jobs.Handle{Name: l.Name, UID: l.UID}, jobs.Watching{Pod: tell, Log: l.say})
	} else {
		for e := range l.client.Watch(ctx, l.made.pods(), func(err error) { l.say("%v (it is watched on)", err) }) {
			if !e.Synced {
				tell(e.Object, e.Gone)
			}
		}
	}
	rest, cancel := context.WithTimeout(ctx, restOfLogs)
	defer cancel()
	waited := follower.Wait(rest)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errors.Join(err, waited, l.failed)
}

// print shows what the containers that there are have written so far.
func (l *jobLogs) print(ctx context.Context) error {
	var pods []json.RawMessage
	for page, err := range l.client.List(ctx, l.made.pods(), 0) {
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			pods = append(pods, bytes.Clone(item))
		}
	}
	slices.SortFunc(pods, func(a, b json.RawMessage) int {
		return strings.Compare(gjson.GetBytes(a, "metadata.name").String(), gjson.GetBytes(b, "metadata.name").String())
	})
	if len(pods) == 0 {
		l.say("%s has no pods: not yet, or not any more; `plan logs %s %s` shows what is kept with the run", l.what(), l.Run, l.Step)
	}
	var problems []error
	for _, pod := range pods {
		state := podlogs.StateOf(pod, false)
		for _, c := range state.Containers {
			problems = append(problems, l.container(ctx, pod, state, c))
		}
	}
	return errors.Join(append(problems, l.failed)...)
}

// container shows the log of one. One that has not started has none.
func (l *jobLogs) container(ctx context.Context, pod json.RawMessage, state podlogs.State, c podlogs.Container) error {
	kind := "containerStatuses"
	if c.Init {
		kind = "initContainerStatuses"
	}
	status := gjson.GetBytes(pod, `status.`+kind+`.#(name=="`+c.Name+`")`)
	if !status.Get("state.running").Exists() && !status.Get("state.terminated").Exists() && !status.Get("lastState.terminated").Exists() {
		if reason := status.Get("state.waiting.reason").String(); reason != "" && reason != "PodInitializing" {
			l.say("pod %s, container %s has not started: %s", state.Name, c.Name, reason)
		}
		return nil
	}
	body, err := l.client.Logs(ctx, l.Namespace, state.Name, kube.LogOptions{Container: c.Name})
	if apierrors.IsNotFound(err) {
		l.say("pod %s is gone", state.Name)
		return nil
	}
	if err != nil {
		return err
	}
	defer body.Close()
	prefix := strings.TrimPrefix(state.Name, l.Name+"-")
	if c.Init || len(state.Containers) > 1+countInit(state) {
		prefix += " " + c.Name
	}
	return eachLine(body, func(text string, cut int) {
		l.line(podlogs.Line{Pod: state.Name, Container: c.Name, Prefix: "[" + printable.Line(prefix) + "]", Text: text, Cut: cut})
	})
}

func countInit(s podlogs.State) (n int) {
	for _, c := range s.Containers {
		if c.Init {
			n++
		}
	}
	return n
}

// eachLine cuts a stream into lines. Of a line longer than podlogs.MaxLine the rest is counted and left out.
func eachLine(r io.Reader, each func(text string, cut int)) error {
	in := bufio.NewReaderSize(r, podlogs.MaxLine)
	for {
		part, err := in.ReadSlice('\n')
		text, cut := string(part), 0
		for errors.Is(err, bufio.ErrBufferFull) {
			part, err = in.ReadSlice('\n')
			cut += len(bytes.TrimSuffix(part, []byte("\n")))
		}
		if text != "" {
			each(strings.TrimSuffix(text, "\n"), cut)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
	}
}
