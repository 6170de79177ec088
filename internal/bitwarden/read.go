package bitwarden

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
)

// batch is the most ids sent in one request: even full-size secrets stay below maxAnswer.
const batch = 200

// Secret reads one secret. ErrNotFound when it is unknown or not granted.
func (c *Client) Secret(ctx context.Context, id string) (Secret, error) {
	ids, err := checkIDs("secret", id)
	if err != nil {
		return Secret{}, err
	}
	op, w := "read secret "+ids[0], wireSecret{}
	s, err := c.call(ctx, op, http.MethodGet, "/secrets/"+ids[0], nil, &w)
	if err != nil {
		return Secret{}, err
	}
	return opener{s, op}.only(&w, ids[0])
}

// SecretsByID reads several secrets, by their ids in lower case with dashes; an id given twice is read once. Either all come, or the error
// names each id that is not found: the server's own answer to one missing id does not say which.
func (c *Client) SecretsByID(ctx context.Context, ids []string) (map[string]Secret, error) {
	ids, err := checkIDs("secret", ids...)
	if err != nil {
		return nil, err
	}
	out := make(map[string]Secret, len(ids))
	for part := range slices.Chunk(ids, batch) {
		err := c.readBatch(ctx, part, out)
		if errors.Is(err, ErrNotFound) {
			err = c.readEach(ctx, part, out)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *Client) readBatch(ctx context.Context, ids []string, out map[string]Secret) error {
	op := fmt.Sprintf("read %d secrets", len(ids))
	var list struct{ Data []wireSecret }
	s, err := c.call(ctx, op, http.MethodPost, "/secrets/get-by-ids", map[string]any{"ids": ids}, &list)
	if err != nil {
		return err
	}
	for i := range list.Data {
		sec, err := opener{s, op}.secret(&list.Data[i])
		if err != nil {
			return err
		}
		if !slices.Contains(ids, sec.ID) {
			return fmt.Errorf("%s: %w: it holds secret %s, which was not asked for", op, ErrAnswer, sec.ID)
		}
		out[sec.ID] = sec
	}
	for _, id := range ids {
		if _, ok := out[id]; !ok {
			return fmt.Errorf("%s: %w: secret %s is missing in it", op, ErrAnswer, id)
		}
	}
	return nil
}

func (c *Client) readEach(ctx context.Context, ids []string, out map[string]Secret) error {
	var missing []error
	for _, id := range ids {
		sec, err := c.Secret(ctx, id)
		switch {
		case err == nil:
			out[id] = sec
		case errors.Is(err, ErrNotFound):
			missing = append(missing, err)
		default:
			return err
		}
	}
	return errors.Join(missing...)
}
