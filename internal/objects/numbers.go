package objects

import "encoding/json"

// Numbers replaces each json.Number in a decoded value, in place where it can, by an int64 if it is a whole one that fits, else by a float64.
func Numbers(value any) any {
	switch v := value.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64() // what JSON calls a number is one, or too large and infinite
		return f
	case []any:
		for i := range v {
			v[i] = Numbers(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = Numbers(v[key])
		}
	}
	return value
}
