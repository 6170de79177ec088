package builder

import "context"

// Look finds out, without building, whether a build could begin: that its options make sense, the Dockerfile and its folder are there, and a
// builder answers. It gives the builder, such as "docker 29.1.3 with buildx v0.30.1".
func Look(ctx context.Context, o Options) (string, error) {
	if _, err := o.check(); err != nil {
		return "", err
	}
	t, err := find(ctx, o.Builder)
	if err != nil {
		return "", err
	}
	return t.kind + " " + t.version, nil
}
