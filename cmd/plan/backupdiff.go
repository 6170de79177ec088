package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"plan/engine"
	"plan/internal/backup"
	"plan/internal/kube"
	"plan/internal/objects"
	"plan/internal/report"
	"plan/steps"
)

// BackupDiffCmd compares backups.
type BackupDiffCmd struct {
	A        string `arg:"" help:"The backup to begin with: a key, the last part of one, or the eight digits in it." placeholder:"A"`
	B        string `arg:"" help:"The backup to compare it with, or live: the cluster as it is." placeholder:"B|live"`
	Full     bool   `help:"Show whole objects that are on one side only."`
	ExitCode bool   `help:"Exit 1 when there are differences." name:"exit-code"`
	ArtefactFlags
	OutputFlag
}

// live is the word for the cluster as it is.
const live = "live"

// side is one of two things that are compared.
type side struct {
	name     string
	artefact backup.Artefact
	older    bool
	objects  map[objects.ID]json.RawMessage // without what the server owns
	index    backup.Index
}

// Run is `plan backup diff`: what it takes to come from A to B.
func (c *BackupDiffCmd) Run(a *app) error {
	signals := watchSignals()
	defer signals.stop()
	changes, err := c.changes(signals.ctx, a)
	if err != nil {
		return signals.instead(err)
	}
	if c.Output != "text" {
		err = report.WriteJSON(a.maskedJSON(), report.NewChangesDocument(changes))
	} else {
		err = report.Changes{Out: a.out, Color: a.color, Full: c.Full}.Print(changes)
	}
	if err == nil && c.ExitCode && len(changes) > 0 {
		return exit{code: engine.ExitFailed}
	}
	return err
}

func (c *BackupDiffCmd) changes(ctx context.Context, a *app) ([]steps.Change, error) {
	t, err := c.open(ctx, a, c.B == live)
	if err != nil {
		return nil, err
	}
	from, err := t.side(ctx, c.A)
	if err != nil {
		return nil, err
	}
	var to side
	if c.B == live {
		to, err = t.live(ctx, from)
	} else {
		to, err = t.side(ctx, c.B)
	}
	if err != nil {
		return nil, err
	}
	if from.artefact != to.artefact {
		return nil, usage(fmt.Errorf("%s is of %s and %s of %s: they cannot be compared", from.name, from.artefact, to.name, to.artefact))
	}
	if from.older != to.older {
		fmt.Fprintln(a.err, "plan: a summary of the older tool has no objects, so only the names are compared")
		from, to = from.namesOnly(), to.namesOnly()
	}
	return differences(from, to), nil
}

// side reads a backup whole.
func (t *artefacts) side(ctx context.Context, word string) (side, error) {
	l, err := t.find(ctx, word)
	if err != nil {
		return side{}, err
	}
	if l.Sort == backup.Older {
		return t.olderSide(ctx, l)
	}
	verified, err := backup.Verify(ctx, t.storeOf(l), l.Key)
	if err != nil {
		return side{}, err
	}
	s := side{name: l.Key, artefact: verified.Meta.Artefact, objects: map[objects.ID]json.RawMessage{}, index: verified.Index}
	for o, err := range backup.Objects(ctx, t.storeOf(l), l.Key) {
		if err == nil {
			err = s.add(o.Raw)
		}
		if err != nil {
			return side{}, err
		}
	}
	return s, nil
}

// olderSide is a summary of the older tool. Which artefact it is of, its entries' names in the key tell.
func (t *artefacts) olderSide(ctx context.Context, l located) (side, error) {
	summary, err := backup.ReadOlder(ctx, t.storeOf(l), l.Key)
	if err != nil {
		return side{}, err
	}
	s := side{name: l.Key, artefact: backup.PVs, older: true, objects: map[objects.ID]json.RawMessage{}}
	kind := "PersistentVolume"
	if strings.Contains(path.Base(l.Key), "node") {
		s.artefact, kind = backup.Nodes, "Node"
	}
	for name, entry := range summary.Entries {
		s.objects[objects.ID{APIVersion: "v1", Kind: kind, Name: name}] = entry
	}
	return s, nil
}

// add takes an object in. VolumeAttachments are in a backup for diagnosis and change by the hour.
func (s *side) add(raw json.RawMessage) error {
	id := objects.IDOf(raw)
	if id.Kind == "VolumeAttachment" {
		return nil
	}
	clean, err := objects.Clean(raw)
	if err != nil {
		return fmt.Errorf("read %s of %s: %w", id, s.name, err)
	}
	s.objects[id] = clean
	return nil
}

// comparable are the resources that backups hold, by their names in an index.
var comparable = map[string]kube.Resource{
	"persistentvolumes":             {Version: "v1", Resource: "persistentvolumes"},
	"persistentvolumeclaims":        {Version: "v1", Resource: "persistentvolumeclaims"},
	"namespaces":                    {Version: "v1", Resource: "namespaces"},
	"nodes":                         {Version: "v1", Resource: "nodes"},
	"storageclasses.storage.k8s.io": {Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"},
	"volumesnapshotclasses.snapshot.storage.k8s.io": {Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshotclasses"},
	"settings.longhorn.io":                          {Group: "longhorn.io", Version: "v1beta2", Resource: "settings"},
	"backuptargets.longhorn.io":                     {Group: "longhorn.io", Version: "v1beta2", Resource: "backuptargets"},
	"recurringjobs.longhorn.io":                     {Group: "longhorn.io", Version: "v1beta2", Resource: "recurringjobs"},
	"volumes.longhorn.io":                           {Group: "longhorn.io", Version: "v1beta2", Resource: "volumes"},
}

// live lists what a backup lists. Of namespaces those count that the backup has or that have claims.
func (t *artefacts) live(ctx context.Context, of side) (side, error) {
	if of.older {
		of.index.Resources = []backup.ResourceCount{{Resource: "persistentvolumes", APIVersion: "v1", Kind: "PersistentVolume"}}
		if of.artefact == backup.Nodes {
			of.index.Resources[0] = backup.ResourceCount{Resource: "nodes", APIVersion: "v1", Kind: "Node"}
		}
	}
	s := side{name: live, artefact: of.artefact, objects: map[objects.ID]json.RawMessage{}}
	for _, counted := range of.index.Resources {
		r, ok := comparable[counted.Resource]
		if counted.Resource == "volumeattachments.storage.k8s.io" {
			continue
		}
		if !ok { // the index was written by whoever wrote the bucket: it does not choose what is listed here
			return side{}, usage(fmt.Errorf("%s says that it holds %q, which no backup has", of.name, counted.Resource))
		}
		for page, err := range t.kube.List(ctx, r, 0) {
			if err != nil {
				return side{}, err
			}
			for _, item := range page.Items {
				if err := s.add(objects.Typed(item, page.APIVersion, page.Kind)); err != nil {
					return side{}, err
				}
			}
		}
	}
	claimed := map[string]bool{}
	for id := range s.objects {
		if id.Kind == "PersistentVolumeClaim" {
			claimed[id.Namespace] = true
		}
	}
	maps.DeleteFunc(s.objects, func(id objects.ID, _ json.RawMessage) bool {
		_, stored := of.objects[id]
		return id.Kind == "Namespace" && !stored && !claimed[id.Name]
	})
	return s, nil
}

// namesOnly leaves of each object what a summary has too.
func (s side) namesOnly() side {
	kind := "PersistentVolume"
	if s.artefact == backup.Nodes {
		kind = "Node"
	}
	names := side{name: s.name, artefact: s.artefact, objects: map[objects.ID]json.RawMessage{}}
	for id := range s.objects {
		if id.Kind == kind {
			names.objects[id] = json.RawMessage(`{}`)
		}
	}
	return names
}

// differences are the changes that make b of a, ordered by kind and name.
func differences(a, b side) []steps.Change {
	ids := map[objects.ID]bool{}
	for id := range a.objects {
		ids[id] = true
	}
	for id := range b.objects {
		ids[id] = true
	}
	order := slices.SortedFunc(maps.Keys(ids), func(x, y objects.ID) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Namespace, y.Namespace), cmp.Compare(x.Name, y.Name))
	})
	var list []steps.Change
	for _, id := range order {
		before, was := a.objects[id]
		after, is := b.objects[id]
		switch {
		case !was:
			list = append(list, steps.Change{Op: steps.Create, Target: id.String(), Detail: "only in " + b.name, After: after})
		case !is:
			list = append(list, steps.Change{Op: steps.Delete, Target: id.String(), Detail: "only in " + a.name, Before: before})
		case !bytes.Equal(before, after):
			list = append(list, steps.Change{Op: steps.Update, Target: id.String(), Before: before, After: after})
		}
	}
	return list
}
