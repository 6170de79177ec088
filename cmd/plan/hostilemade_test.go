package main

import (
	"fmt"
	"strings"
	"testing"
)

const hostileHead = "apiVersion: plan/v1\nkind: Plan\nmetadata: {name: x}\nspec:\n"

const hostileEnd = "  steps:\n    - {id: a, uses: list-pvs}\n"

// lines joins what line gives for 0 to n-1.
func lines(n int, line func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(line(i))
	}
	return b.String()
}

// hostileText are files whose size or form alone is the attack.
func hostileText() map[string]hostile {
	rep := strings.Repeat
	texts := map[string][2]string{
		"text-too-large":        {"larger than 1 MiB", hostileHead + hostileEnd + rep("# comment\n", 120000)},
		"text-million-lines":    {"more than 250000 lines, fields and entries", rep("\n", 1000000)},
		"text-million-comments": {"more than 250000 lines, fields and entries", rep("#\n", 500000)},
		"text-one-line":         {"unknown field", hostileHead + hostileEnd + "  " + rep("a", 1000) + ": " + rep("b", 1000000) + "\n"},
		"text-huge-key":         {"not YAML", hostileHead + hostileEnd + "  " + rep("k", 1000000) + ": 1\n"},
		"text-huge-quoted-key":  {"not YAML", hostileHead + hostileEnd + "  \"" + rep("k", 1000000) + "\": 1\n"},
		"text-huge-name":        {"metadata.name", "apiVersion: plan/v1\nkind: Plan\nmetadata: {name: " + rep("n", 1000000) + "}\nspec:\n" + hostileEnd},
		"text-many-escapes":     {"unknown field", hostileHead + hostileEnd + "  zzz: \"" + rep("\\x41", 250000) + "\"\n"},
		"text-folded":           {"more than 250000 lines, fields and entries", hostileHead + hostileEnd + "  zzz: >\n" + rep("    b\n\n", 140000)},
		"text-deep-flow":        {"more than 250000 lines, fields and entries", "a: " + rep("[", 500000)},
		"text-deep-maps":        {"more than 250000 lines, fields and entries", "a: " + rep("{a: ", 250000)},
		"text-deep-block":       {"more than 250000 lines, fields and entries", rep("- ", 500000)},
		"text-deep-under":       {"nested more than 64 levels", "a: " + rep("[", 9000) + rep("]", 9000)},
		"text-deep-keys":        {"more than 250000 lines, fields and entries", rep("? ", 500000)},
		"text-anchors":          {"more than 10000 entries", lines(50000, func(i int) string { return fmt.Sprintf("k%d: &a%d 1\n", i, i) })},
		"text-aliases":          {"more than 10000 entries", "a: &a 1\n" + lines(60000, func(i int) string { return fmt.Sprintf("k%d: *a\n", i) })},
		"text-laughs": {"anchors are not allowed", lines(9000, func(i int) string {
			return fmt.Sprintf("k%d: &a%d [*a%d, *a%d, *a%[3]d, *a%[3]d]\n", i, i, max(0, i-1), max(0, i-1))
		})},
		"text-tags":          {"more than 250000 lines, fields and entries", "a: [" + rep("!!str x, ", 100000) + "]\n"},
		"text-flow":          {"more than 250000 lines, fields and entries", "a: [" + rep("1,", 500000) + "]\n"},
		"text-flow-map":      {"more than 10000 entries", "a: {" + lines(90000, func(i int) string { return fmt.Sprintf("k%d: 1,", i) }) + "}\n"},
		"text-keys":          {"more than 10000 entries", lines(90000, func(i int) string { return fmt.Sprintf("k%d: 1\n", i) })},
		"text-wide-and-deep": {"more than 250000 lines, fields and entries", "a: [" + rep("["+rep("[1,1,1,1,1,1,1,1],", 50)+"],", 1000) + "]\n"},
		"text-same-key":      {"duplicate key", lines(9000, func(int) string { return "a: 1\n" })},
		"text-documents":     {"more than 250000 lines, fields and entries", rep("---\na: 1\n", 100000)},
		"text-broken-late":   {"not YAML", hostileHead + "  steps:\n" + lines(9000, func(i int) string { return fmt.Sprintf("    - {id: s%d, uses: list-pvs}\n", i) }) + "  }\n"},
		"text-broken-often":  {"not YAML", lines(60000, func(i int) string { return fmt.Sprintf("k%d: [1, 2\n", i) })},
		"text-broken-quotes": {"not YAML", lines(60000, func(i int) string { return fmt.Sprintf("k%d: \"a\n", i) })},
		"text-broken-indent": {"not YAML", lines(9000, func(i int) string { return rep(" ", i%100) + "- a:\n" })},
		"text-broken-ifs":    {"quote it", hostileHead + "  steps:\n" + lines(20000, func(i int) string { return "    - {id: a, uses: list-pvs, if: !a(), b\n" })},
		"text-control":       {"the control character U+0001", rep("\x01", 1000000)},
		"text-bidi":          {"the character U+202E", rep("\u202e", 300000)},
		"text-not-utf8":      {"is not UTF-8", rep("\xff", 1000000)},
		"text-utf16":         {"is not UTF-8", "\xff\xfea\x00:\x00 \x00b\x00"},
		"text-utf32":         {"is not UTF-8", "\xff\xfe\x00\x00a\x00\x00\x00"},
		"text-returns":       {"a carriage return without a line feed", strings.ReplaceAll(hostileHead+hostileEnd, "\n", "\r")},
		"text-marks":         {"a byte order mark", rep("\ufeff", 300000)},
		"text-yes":           {"is a boolean to some YAML readers", "a: [" + rep("yes, ", 9999) + "]\n"},
		"text-digits":        {"missing field", "a: 0x" + rep("f", 1000000) + "\n"},
		"text-question":      {"not a list or mapping", rep("? {a: b}\n: c\n", 9000)},
	}
	out := map[string]hostile{}
	for name, t := range texts {
		out[name] = hostile{t[0], []byte(t[1])}
	}
	return out
}

// planOf is a plan of n steps, each with something of its own.
func planOf(n int, step func(i int) string) string {
	return hostileHead + "  steps:\n" + lines(n, func(i int) string { return "    - {" + step(i) + "}\n" })
}

// hostileSteps are plans whose steps are too many, or wrong in numbers.
func hostileSteps() map[string]hostile {
	all := lines(1400, func(i int) string { return fmt.Sprintf("s%d, ", i) })
	return map[string]hostile{
		"steps-too-many": {"more than 10000 entries", []byte(planOf(10001, func(i int) string { return fmt.Sprintf("id: s%d, uses: list-pvs", i) }))},
		"steps-crowd":    {"more than 10000 entries", []byte(planOf(20000, func(i int) string { return fmt.Sprintf("id: s%d, uses: list-pvs", i) }) + "  }\n")},
		"steps-cycle":    {"cycle", []byte(planOf(1000, func(i int) string { return fmt.Sprintf("id: s%d, uses: list-pvs, needs: [s%d]", i, (i+1)%1000) }))},
		"steps-cycles":   {"cycle", []byte(planOf(2000, func(i int) string { return fmt.Sprintf("id: s%d, uses: list-pvs, needs: [s%d]", i, i^1) }))},
		"steps-mesh":     {"a step cannot need itself", []byte(planOf(100, func(i int) string { return fmt.Sprintf("id: s%d, uses: list-pvs, needs: [%s]", i, all[:500]+"s1") }))},
		"steps-needs": {"no step", []byte(planOf(1, func(int) string {
			return "id: a, uses: list-pvs, needs: [" + lines(9999, func(i int) string { return fmt.Sprintf("s%d, ", i) }) + "]"
		}))},
		"steps-same-id": {"", []byte(planOf(5000, func(int) string { return "id: a, uses: list-pvs" }))},
		"steps-typos":   {"unknown field", []byte(planOf(10000, func(i int) string { return fmt.Sprintf("id: s%d, uses: list-pvs, neds: []", i) }))},
		"steps-kinds":   {"list-pvs", []byte(planOf(10000, func(i int) string { return fmt.Sprintf("id: s%d, uses: list-pvz", i) }))},
		"steps-missing": {"missing field", []byte(planOf(10000, func(i int) string { return fmt.Sprintf("id: s%d", i) }))},
		"steps-unknown": {"", []byte(planOf(5000, func(i int) string {
			return fmt.Sprintf("id: s%d, uses: list-pvs, needs: [z%d], if: steps.x%d.outputs.ok", i, i, i)
		}))},
		"steps-syntax": {"", []byte(planOf(5000, func(i int) string { return fmt.Sprintf("id: s%d, uses: list-pvs, if: '((((((%d'", i, i) }))},
		"steps-values": {"expected", []byte(planOf(5000, func(i int) string {
			return fmt.Sprintf("id: s%d, uses: prune, with: {artefact: [], keep: 7, store: {}}", i)
		}))},
		"params-pattern": {"too large", []byte(hostileHead + "  params: {p: {type: string, pattern: '" + strings.Repeat(".{1000}|", 120000) + "x'}}\n" + hostileEnd)},
		"params-patterns": {"too large", []byte(hostileHead + "  params:\n" + lines(9000, func(i int) string {
			return fmt.Sprintf("    p%d: {type: string, pattern: '(.{999}|.{999}){1}%d'}\n", i, i)
		}) + hostileEnd)},
		"fields-unknown": {"unknown field", []byte(hostileHead + hostileEnd + lines(9000, func(i int) string { return fmt.Sprintf("  timeou%d: 1\n", i) }))},
		"params-wrong":   {"spec.params", []byte(hostileHead + "  params:\n" + lines(9000, func(i int) string { return fmt.Sprintf("    p%d: {type: strin}\n", i) }) + hostileEnd)},
	}
}

func matrix(body string) []byte {
	return []byte(hostileHead + "  steps:\n    - id: a\n      uses: list-pvs\n      matrix: {" + body + "}\n")
}

func numbers(n int) string { return lines(n, func(i int) string { return fmt.Sprintf("%d, ", i) }) }

// hostileMatrices are matrices that come to too much.
func hostileMatrices() map[string]hostile {
	wide := lines(30, func(i int) string { return fmt.Sprintf("w%d: [1], ", i) })
	return map[string]hostile{
		"matrix-one-more":  {"step instances are allowed", matrix("a: [" + numbers(73) + "], b: [" + numbers(137) + "]")},
		"matrix-cells":     {"the combinations have too many values", matrix(wide + "a: [" + numbers(9990) + "]")},
		"matrix-product":   {"more than a million combinations", matrix(lines(30, func(i int) string { return fmt.Sprintf("a%d: [%s], ", i, numbers(900)) }))},
		"matrix-overflow":  {"at most 34 fields", matrix(lines(200, func(i int) string { return fmt.Sprintf("a%d: [1, 2, 3, 4], ", i) }))},
		"matrix-names":     {"at most 34 fields", matrix(lines(9000, func(i int) string { return fmt.Sprintf("a%d: [1], ", i) }))},
		"matrix-duplicate": {"is there twice", matrix(wide + "a: [" + numbers(3000) + "], include: [{zz: 1, a: 0}, {w0: 2}, {w0: 2}]")},
		"matrix-include":   {"too many", matrix("a: [" + numbers(9000) + "], include: [" + lines(9000, func(i int) string { return fmt.Sprintf("{a: %d, b: 1}, ", i) }) + "]")},
		"matrix-exclude":   {"exclude leaves no combination", matrix("a: [" + numbers(1000) + "], exclude: [" + lines(1000, func(i int) string { return fmt.Sprintf("{a: %d}, ", i) }) + "]")},
		"matrix-many": {"is there twice", []byte(planOf(300, func(i int) string {
			return fmt.Sprintf("id: s%d, uses: list-pvs, matrix: {a: [%s], include: [{a: 99}, {a: 99}]}", i, numbers(30))
		}))},
		"matrix-same":     {"stands twice in the axis", matrix("a: [" + numbers(9998) + "9997]")},
		"matrix-computed": {"more than 200000 entries", []byte(hostileHead + "  params: {ls: {type: list, default: [" + numbers(100) + "]}}\n  steps:\n    - {id: a, uses: list-pvs, matrix: {a: \"${{ [params.ls]" + strings.Repeat(".map(t, t + t + t + t + t + t + t + t + t + t)", 5) + "[0] }}\"}}\n")},
		"matrix-expressions": {"the expression costs too much", []byte(hostileHead + "  params: {ls: {type: list, default: [" + numbers(100) + "]}}\n  steps:\n    - {id: a, uses: backup-pvs, matrix: {a: [" + numbers(100) + "], b: [" + numbers(99) +
			"]}, with: {prefix: \"${{ string(params.ls.all(x, params.ls.all(y, x + matrix.a < 0 || y + matrix.b >= 0))) }}\"}}\n")},
	}
}

// hostileExpressions are expressions that cost too much to read, or to evaluate.
func hostileExpressions(t *testing.T) map[string]hostile {
	t.Helper()
	rep := strings.Repeat
	of := func(says, expr string) hostile {
		return hostile{says, []byte(hostileHead + "  params: {ls: {type: list, default: [" + numbers(100) + "]}}\n  steps:\n    - id: a\n      uses: backup-pvs\n      with:\n        prefix: >-\n          ${{ " + expr + " }}\n")}
	}
	many := func(n int, expr string) []byte {
		return []byte(hostileHead + "  params: {ls: {type: list, default: [" + numbers(100) + "]}}\n  steps:\n" + lines(n, func(i int) string {
			return fmt.Sprintf("    - {id: s%d, uses: backup-pvs, needs: [], with: {prefix: \"${{ %s }}\"}}\n", i, fmt.Sprintf(expr, i))
		}))
	}
	return map[string]hostile{
		"expression-long":      of("longer than 4096 characters", "'"+rep("a", 4097)+"'"),
		"expression-longest":   of("longer than 4096 characters", "'"+rep("a", 900000)+"'"),
		"expression-parens":    of("", rep("(", 2000)+"1"+rep(")", 2000)),
		"expression-lists":     of("", rep("[", 2000)+"1"+rep("]", 2000)),
		"expression-not":       of("", rep("!", 4000)+"true"),
		"expression-minus":     of("", rep("-", 4000)+"1"),
		"expression-ternary":   of("", rep("true ? (", 400)+"1"+rep(") : 2", 400)),
		"expression-plus":      of("", "1"+rep(" + 1", 1000)+" + 'a'"),
		"expression-or":        of("", "string(1"+rep("||1", 1300)+")"),
		"expression-select":    of("", "params"+rep(".a", 2000)),
		"expression-errors":    of("", "a"+rep(" + a", 1000)),
		"expression-cascade":   of("", "["+rep("[", 12)+rep("1, 'a', ", 400)+rep("]", 12)+"][0].x"),
		"expression-many":      {"cost too much together", many(5000, "string(params.ls.all(x, params.ls.all(y, x + y + %d >= 0)))")},
		"expression-templates": {"more than 100 expressions", []byte(hostileHead + "  steps:\n    - id: a\n      uses: backup-pvs\n      with:\n        prefix: '" + rep("${{ x }}", 100000) + "'\n")},
		"expression-regex":     of("regex program size", "string(params.ls.all(x, 'a'.matches('"+rep(".{999}|", 500)+"b')))"),
		"expression-open":      {"", []byte(hostileHead + "  steps:\n    - id: a\n      uses: backup-pvs\n      with:\n        prefix: '" + rep("${{", 300000) + "'\n")},
		"expression-many-4096": {"", many(240, "params.zz%d"+rep(" + params.ls", 330))},
	}
}
