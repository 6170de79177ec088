//go:build linux

package rigs

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// canaries are the secret values of one run, by where they come from. Each has a core of letters and digits that no way of writing it
// changes, but base64 and hexadecimal digits.
type canaries struct {
	random *rand.Rand
	values map[string]string
}

const awkward = `"\'%/+&<>=?#{}$ ;:,|`

// draw makes a value of a name: its core among characters that have to be written in another way here and there.
func (c *canaries) draw(name, among string) string {
	mix := func(n int) string {
		b, letters := make([]rune, n), []rune(among)
		for i := range b {
			b[i] = letters[c.random.IntN(len(letters))]
		}
		return string(b)
	}
	value := "x" + mix(c.random.IntN(8)) + c.core() + mix(c.random.IntN(8)) + "x"
	c.values[name] = value
	return value
}

func (c *canaries) core() string {
	const letters = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789"
	b := []byte("Cnry")
	for range 14 {
		b = append(b, letters[c.random.IntN(len(letters))])
	}
	return string(b)
}

// forms are the ways in which a value could turn up.
func forms(value string) map[string]string {
	inJSON, _ := json.Marshal(value)
	quoted := strconv.Quote(value)
	all := map[string]string{
		"as it is": value, "base64": strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(value)), "="),
		"base64 for URLs": strings.TrimRight(base64.URLEncoding.EncodeToString([]byte(value)), "="),
		"hex":             hex.EncodeToString([]byte(value)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(value))),
		"escaped for URLs": url.QueryEscape(value), "escaped for JSON": string(inJSON[1 : len(inJSON)-1]), "quoted by Go": quoted[1 : len(quoted)-1],
	}
	if at := strings.Index(value, "Cnry"); at >= 0 {
		all["its core"] = value[at : at+18]
	}
	return all
}

// hide puts canaries wherever the plan takes secrets from.
func (c *canaries) hide(t testing.TB, w *world) {
	t.Helper()
	hook := ""
	for _, pair := range w.env {
		if address, ok := strings.CutPrefix(pair, "HOOK="); ok {
			hook = address
		}
	}
	for i := range 3 {
		w.env = append(w.env, fmt.Sprintf("CANARY_%d=%s", i, c.draw(fmt.Sprintf("variable %d", i), awkward)))
		w.write(t, fmt.Sprintf("canaries/%d", i), c.draw(fmt.Sprintf("file %d", i), awkward)+"\n")
	}
	access := c.core()
	c.values["access key"] = access
	w.s3.AccessKey = access
	path := c.core() + "%22" + c.core()
	c.values["address"] = path
	w.env = append(w.env, "CANARY_ACCESS="+access, "CANARY_URL="+hook+"/"+path)
	w.write(t, "canaries/refused", "http://127.0.0.1:1/"+c.draw("address that refuses", "-._~+"))
	w.write(t, "canaries/lines", c.draw("header of two lines", awkward)+"\nsecond line")
	for i := range 4 {
		w.bw.AddSecret(w.project, fmt.Sprintf("canary-%d", i), c.draw(fmt.Sprintf("bitwarden %d", i), awkward+"é\t"))
	}
	fields := map[string]string{"c0": c.draw("kubernetes 0", awkward), "c1": c.draw("kubernetes 1", awkward), "badurl": "http://[" + c.draw("address that is none", awkward) + "/%zz"}
	for key, value := range fields {
		fields[key] = base64.StdEncoding.EncodeToString([]byte(value))
	}
	data, _ := json.Marshal(fields)
	w.kube.Add(secrets, "Secret", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"canaries","namespace":"default"},"data":`+string(data)+`}`)
	token, agent, earlier := c.core(), c.core(), c.core()
	c.values["token"], c.values["agent's token"], c.values["earlier token"] = token, agent, earlier
	w.write(t, "server/token", "K10"+caHash+"::server:"+token+"\n")
	w.write(t, "server/agent", "K10"+caHash+"::node:"+agent+"\n")
	w.write(t, "held/token", "K10"+caHash+"::server:"+earlier+"\n")
	c.values["access token"] = w.token[strings.LastIndexByte(w.token, '.')+1:]
}
