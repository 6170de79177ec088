package secrets

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"plan/internal/bitwarden"
)

// Options are what a Resolver needs before anything is connected.
type Options struct {
	BaseDir   string                                                  // folder of the plan file: file sources are relative to it
	LookupEnv func(name string) (string, bool)                        // os.LookupEnv
	Bitwarden BitwardenSpec                                           // spec.secrets.bitwarden
	AllowExec bool                                                    // commands may be run
	Masker    *Masker                                                 // gets every value that is read; optional
	Open      func(bitwarden.Config, string) (BitwardenReader, error) // makes a Bitwarden client from its token; nil is the real one
}

// Resolver reads each source of a plan once. Add all sources, ReadLoadTime when the plan is loaded, ReadAll before the first step;
// then Value serves the steps. It may be used by several goroutines.
type Resolver struct {
	o Options

	mu     sync.Mutex
	order  []Source            // as added
	fields map[Source][]string // who asks for it
	values map[Source]string
	client BitwardenReader // after the first secret of Bitwarden was asked for
	users  []string        // who works with Bitwarden itself
}

// NewResolver makes a Resolver that knows no sources.
func NewResolver(o Options) *Resolver {
	if o.Masker == nil {
		o.Masker = new(Masker)
	}
	if o.Open == nil {
		o.Open = func(c bitwarden.Config, token string) (BitwardenReader, error) { return bitwarden.New(c, token) }
	}
	return &Resolver{o: o, fields: make(map[Source][]string), values: make(map[Source]string)}
}

// Add notes that a field takes its value from s. The access token of Bitwarden need not be added: it is read when a source
// needs it.
func (r *Resolver) Add(field string, s Source) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(field, s)
}

func (r *Resolver) add(field string, s Source) {
	if r.fields[s] == nil {
		r.order = append(r.order, s)
	}
	if !slices.Contains(r.fields[s], field) {
		r.fields[s] = append(r.fields[s], field)
	}
}

// NeedBitwarden notes that somebody works with Bitwarden itself, not with a value of it. Its access token is then read, and tried by a
// login, like a source.
func (r *Resolver) NeedBitwarden(who string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.users = append(r.users, who)
}

// Bitwarden is the client that values were read with; for those who said so with NeedBitwarden.
func (r *Resolver) Bitwarden() (*bitwarden.Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	client, ok := r.client.(*bitwarden.Client)
	if !ok {
		return nil, errors.New("bitwarden was not logged in to before the first step")
	}
	return client, nil
}

// Sources are all that were added, in that order.
func (r *Resolver) Sources() []Source {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.order)
}

// Wanted is a source with the fields that take their value from it.
type Wanted struct {
	Source
	Fields []string
}

// Wanted lists all sources as Sources does, and the access token of Bitwarden where one is needed. Nothing is read.
func (r *Resolver) Wanted() (list []Wanted) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.users) > 0 || slices.ContainsFunc(r.order, inBitwarden) {
		_ = r.addToken() // that there is none is told by whoever reads
	}
	for _, s := range r.order {
		list = append(list, Wanted{s, slices.Clone(r.fields[s])})
	}
	return list
}

// Who names the first of the fields, as Error.Field does.
func (w Wanted) Who() string { return joinFields(w.Fields) }

// Token is where the access token of Bitwarden comes from; no source if the plan does not say.
func (r *Resolver) Token() Source {
	if from := r.o.Bitwarden.AccessToken.From; from != nil {
		return *from
	}
	return Source{}
}

// Masker hides all values that were read, also those that are read later.
func (r *Resolver) Masker() *Masker { return r.o.Masker }

// Value is a literal as it is, or what its source gave when it was read.
func (r *Resolver) Value(v Value) (string, error) {
	if v.From == nil {
		return v.Literal, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	value, ok := r.values[*v.From]
	if !ok {
		return "", fmt.Errorf("value of %s: it was not read before the first step", v.From)
	}
	return value, nil
}

// ReadLoadTime reads the variables and files of all sources added so far. With a source in Bitwarden there has to be an access
// token, which is read as well if it comes from a variable or a file.
// The error joins one *Error per source that could not be read: Missing, Invalid or, for a file, Denied. A source that is a command
// is Invalid unless commands may be run; nothing was run then.
func (r *Resolver) ReadLoadTime() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var problems []*Error
	if len(r.users) > 0 || slices.ContainsFunc(r.order, inBitwarden) {
		problems = appendProblem(problems, r.addToken())
	}
	for _, s := range r.order {
		if _, done := r.values[s]; !done && s.LoadTime() {
			problems = appendProblem(problems, r.readLoadTime(s))
		}
		problems = appendProblem(problems, r.forbidden(s))
	}
	return join(problems)
}

func (r *Resolver) readLoadTime(s Source) *Error {
	var value string
	var err error
	path := absolute(r.o.BaseDir, s.File)
	if s.Env != "" {
		value, err = readEnv(s.Env, r.o.LookupEnv)
	} else {
		value, err = readFile(path)
	}
	if err != nil {
		return &Error{Field: joinFields(r.fields[s]), Source: s.String(), Kind: kindOf(err), Err: err, Next: nextStep(s, path, err)}
	}
	r.keep(s, value)
	return nil
}

// addToken makes the access token one of the sources.
func (r *Resolver) addToken() *Error {
	from := r.o.Bitwarden.AccessToken.From
	if from == nil {
		e := &Error{Field: joinFields(r.users), Source: "bitwarden", Kind: Missing}
		if i := slices.IndexFunc(r.order, inBitwarden); i >= 0 {
			e.Field, e.Source = joinFields(r.fields[r.order[i]]), r.order[i].String()
		}
		e.Err, e.Next = errors.New("no access token is given"), "set "+TokenField+", or BWS_ACCESS_TOKEN where older variables are used"
		return e
	}
	if err := r.o.Bitwarden.Validate(); err != nil {
		return &Error{Field: TokenField, Source: from.String(), Kind: Invalid, Err: err}
	}
	r.add(TokenField, *from)
	return nil
}

func (r *Resolver) keep(s Source, value string) {
	r.values[s] = value
	r.o.Masker.Add(value)
}

func inBitwarden(s Source) bool  { return s.Bitwarden != (Bitwarden{}) }
func inKubernetes(s Source) bool { return s.Kubernetes != (Kubernetes{}) }
func isCommand(s Source) bool    { return s.Exec != (Exec{}) }
