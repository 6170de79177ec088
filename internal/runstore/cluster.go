package runstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/engine"
	"plan/internal/kube"
	"plan/internal/pause"
)

// maxTakes is how often a run is opened anew when another writes to it meanwhile.
const maxTakes = 10

// ClusterStore keeps each run in a ConfigMap of a namespace, so that the next pod finds it. Who has a run is not known here: a lock decides,
// and each write is one of a writer with a number, so that whoever was overtaken notices and writes nothing more.
type ClusterStore struct {
	client   *kube.Client
	resource kube.Resource
}

// Cluster is the store in a namespace.
func Cluster(client *kube.Client, namespace string) *ClusterStore {
	return &ClusterStore{client, kube.Resource{Version: "v1", Resource: "configmaps", Namespace: namespace}}
}

// Verbs are all calls that the store makes, on configmaps in its namespace. The ids of runs are not known beforehand, so none can be limited
// by name.
func (s *ClusterStore) Verbs() []string { return []string{"get", "list", "create", "update", "delete"} }

func (s *ClusterStore) journalName(id string) string { return "plan-run-" + id }
func (s *ClusterStore) cancelName(id string) string  { return id + "-cancel" }

// Describe implements Store.
func (s *ClusterStore) Describe(id string) string {
	return "configmap " + s.resource.Namespace + "/" + s.journalName(id)
}

// Create implements Store.
func (s *ClusterStore) Create(ctx context.Context, id string, first engine.RunStartedRecord) (Journal, error) {
	if err := engine.CheckRunID(id); err != nil {
		return nil, err
	}
	p, err := pack(nil, 0)
	if err != nil {
		return nil, err
	}
	j := &clusterJournal{store: s, id: id, packed: p, object: newConfigMap(s.resource, s.journalName(id), id, journalPart)}
	j.object.annotate(planNote, first.Plan)
	if err := j.begin(ctx, first); err != nil {
		return nil, fmt.Errorf("create run %s: %s: %w", id, s.Describe(id), err)
	}
	return j, nil
}

// begin makes the ConfigMap.
func (j *clusterJournal) begin(ctx context.Context, first engine.RunStartedRecord) error {
	if err := j.packed.add(time.Now(), []engine.Record{first}); err != nil {
		return err
	}
	return j.write(ctx, stamp{uuid.NewString(), 1})
}

// Open implements Store. It writes once, to become the writer: from then on the one before writes nothing more. A request to stop that an
// invocation which got to its end has heard is forgotten.
func (s *ClusterStore) Open(ctx context.Context, id string) (Journal, []engine.JournalEntry, error) {
	for take := 1; ; take++ {
		m, err := s.find(ctx, id)
		if err != nil {
			return nil, nil, fmt.Errorf("open run %s: %w", id, err)
		}
		plain, entries, err := unpack(m.BinaryData[journalKey])
		if err != nil {
			return nil, nil, fmt.Errorf("open run %s: %s: %w", id, s.Describe(id), err)
		}
		if h, err := engine.Fold(entries); err == nil && h.Ended != nil {
			if err := s.remove(ctx, s.cancelName(id), id, cancelPart); err != nil && !errors.Is(err, ErrNotFound) {
				return nil, nil, fmt.Errorf("open run %s: forget that it was cancelled: %w", id, err)
			}
		}
		p, err := pack(plain, int64(len(entries)))
		if err != nil {
			return nil, nil, fmt.Errorf("open run %s: %w", id, err)
		}
		j := &clusterJournal{store: s, id: id, object: m, packed: p, last: m.stamp()}
		err = j.write(ctx, stamp{uuid.NewString(), j.last.seq + 1})
		if errors.Is(err, ErrForeignWriter) && take < maxTakes {
			continue // it wrote something more meanwhile, or another took it, too
		}
		if err != nil {
			return nil, nil, fmt.Errorf("open run %s: %s: %w", id, s.Describe(id), err)
		}
		return j, entries, nil
	}
}

// find reads the ConfigMap of a run.
func (s *ClusterStore) find(ctx context.Context, id string) (*configMap, error) {
	if err := engine.CheckRunID(id); err != nil {
		return nil, err
	}
	return s.ofRun(ctx, s.journalName(id), id, journalPart)
}

// ofRun reads a ConfigMap that has to be of a run. ErrNotFound; what does not answer is asked again for a minute.
func (s *ClusterStore) ofRun(ctx context.Context, name, id, part string) (*configMap, error) {
	var m *configMap
	err := s.again(ctx, func(ctx context.Context) (err error) {
		m, err = s.get(ctx, name)
		return err
	})
	what := "configmap " + s.resource.Namespace + "/" + name
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("%s: %w", what, ErrNotFound)
	case err != nil:
		return nil, err
	case !m.is(id, part):
		return nil, fmt.Errorf("%s: %w", what, errForeignObject)
	}
	return m, nil
}

// again makes a call until it is answered, for a minute.
func (s *ClusterStore) again(ctx context.Context, call func(context.Context) error) error {
	inner, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for delay := firstPause; ; delay = min(2*delay, lastPause) {
		err := call(inner)
		if err == nil || !kube.Passing(err) || pause.For(inner, delay) != nil {
			return kube.TimedOut(ctx, patience, err)
		}
	}
}

// Read implements Store.
func (s *ClusterStore) Read(ctx context.Context, id string) ([]engine.JournalEntry, error) {
	m, err := s.find(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read run %s: %w", id, err)
	}
	_, entries, err := unpack(m.BinaryData[journalKey])
	if err != nil {
		return entries, fmt.Errorf("read run %s: %s: %w", id, s.Describe(id), err)
	}
	return entries, nil
}

// List implements Store. Bytes are those of the compressed journal.
func (s *ClusterStore) List(ctx context.Context) ([]Summary, error) {
	var list []Summary
	err := s.again(ctx, func(ctx context.Context) error {
		list = nil
		r := s.resource
		r.Selector = managedBy + "=plan," + component + "=" + journalPart
		for page, err := range s.client.List(ctx, r, listedTogether) {
			if err != nil {
				return err // one that expired while it was read is read again from the start
			}
			for _, item := range page.Items {
				if sum, ok := s.summary(item); ok {
					list = append(list, sum)
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	newestFirst(list)
	return list, nil
}

// summary is none for what has a run's labels and not its name.
func (s *ClusterStore) summary(item []byte) (Summary, bool) {
	m, err := decodeConfigMap(item)
	if err != nil {
		return Summary{}, false
	}
	id := m.within("labels", runLabel)
	if engine.CheckRunID(id) != nil || m.text("name") != s.journalName(id) {
		return Summary{}, false
	}
	data := m.BinaryData[journalKey]
	sum := Summary{ID: id, Plan: m.within("annotations", planNote), Bytes: int64(len(data))}
	_, entries, err := unpack(data)
	sum.summarise(entries, err)
	return sum, true
}
