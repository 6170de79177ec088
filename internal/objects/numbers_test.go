package objects_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/internal/objects"
)

func TestNumbersStayWhatTheyAre(t *testing.T) {
	got := objects.Numbers(map[string]any{"list": []any{json.Number("1"), json.Number("9007199254740993"), json.Number("0.5"), "1", nil, true}})
	want := map[string]any{"list": []any{int64(1), int64(9007199254740993), 0.5, "1", nil, true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
