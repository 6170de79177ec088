package gitrepo

import (
	"maps"
	"strings"
)

// hostile are addresses that are refused, and a word of the reason.
func hostile() map[string]string {
	all := map[string]string{
		"": "empty",
		"https://h/" + strings.Repeat("a", maxURL): "bytes long",
		"https://h/\xff": "not UTF-8",
	}
	for _, some := range []map[string]string{programs(), options(), otherReadings(), secrets(), hosts(), users(), paths(), noRepositories()} {
		maps.Copy(all, some)
	}
	return all
}

// programs are addresses that would run something.
func programs() map[string]string {
	return map[string]string{
		"ext::sh -c touch% /tmp/x": "transport helper",
		"ext::sh":                  "transport helper",
		"EXT::sh":                  "transport helper",
		"fd::17/foo":               "transport helper",
		"https::https://h/a":       "transport helper",
		"git+foo::bar":             "transport helper",
		"my_helper::x":             "transport helper",
	}
}

// options are taken for options by the next program.
func options() map[string]string {
	return map[string]string{
		"-":                          "as an option",
		"--upload-pack=touch /tmp/x": "as an option",
		"-oProxyCommand=id@h:p":      "as an option",
		"ssh://-oProxyCommand=id/p":  "as an option",
		"ssh://-h/p":                 "as an option",
		"https://a.-b/p":             "as an option",
		"ssh://-u@h/p":               "as an option",
		"git@-oProxyCommand:p":       "as an option",
		"git@h:-p":                   "as an option",
		"git@h:/-p":                  "as an option",
		"ssh://git@h/-p":             "as an option",
		"ssh://git@h/%2dp":           "as an option",
		"https://h/--exec":           "as an option",
	}
}

// otherReadings mean something else to a terminal, a header or a file system.
func otherReadings() map[string]string {
	return map[string]string{
		"https://h/a b":             "blank",
		" https://h/a":              "blank",
		"https://h/a\n":             "U+000A",
		"https://h/a\r\nHost: evil": "U+000D",
		"https://h/a\x00b":          "U+0000",
		"https://h/a\tb":            "U+0009",
		"https://h/\x1b[2Jb":        "U+001B",
		"https://h/\u202egit":       "U+202E",
		"https://h/a\u200bb":        "U+200B",
		"https://h/a\u00a0b":        "U+00A0",
		"git@h:a\nb":                "U+000A",
		"https://h/a%00b":           "U+0000",
		"https://h/a%0ab":           "U+000A",
		"https://h/a%0d%0ab":        "U+000D",
		"https://h/a%1b":            "U+001B",
		"https://h/a%7f":            "U+007F",
		"https://h/a%e2%80%aeb":     "U+202E",
		"ssh://git@h/a%0ab":         "U+000A",
		"https://h/a%ff":            "not UTF-8",
		"https://h/a%zz":            "hexadecimal",
		"https://h/a%":              "hexadecimal",
		"https://h/a%4":             "hexadecimal",
	}
}

// secrets have in them what should be nowhere.
func secrets() map[string]string {
	return map[string]string{
		"https://user:geheim@h/a":      "password or token",
		"https://:geheim@h/a":          "password or token",
		"https://user:@h/a":            "password or token",
		"https://geheim@h/a":           "user or token",
		"https://@h/a":                 "user or token",
		"https://user:geheim@evil@h/a": "password or token",
		"http://geheim@h/a":            "user or token",
		"git://geheim@h/a":             "user or token",
		"ssh://git:geheim@h/a":         "password or token",
		"git:geheim@h:a":               "password or token",
		"https://user:ge/heim@h/a":     "no port",
		"https://h/a?token=geheim":     "query",
		"https://h/a?":                 "query",
		"https://h/a#geheim":           "fragment",
		"https://user:ge#heim@h/a":     "fragment",
	}
}

// hosts have hosts that are none, or look like others.
func hosts() map[string]string {
	return map[string]string{
		"https://":              "no host",
		"https:///a":            "no host",
		"https://:443/a":        "no host",
		"ssh://git@/a":          "no host",
		"git@:a":                "neither",
		"https://.h/a":          "empty part",
		"https://h./a":          "empty part",
		"https://h..example/a":  "empty part",
		"https://gіthub.com/a":  "xn--", // a Cyrillic і
		"https://github。com/a":  "xn--",
		"https://h%2eexample/a": "'%'",
		"https://h%00/a":        "'%'",
		"https://h;id/a":        "';'",
		"https://$(id)/a":       "'$'",
		"https://h\\@evil/a":    `"\"`,
		"https://" + strings.Repeat("a", 64) + "/a":    "63 bytes",
		"https://" + strings.Repeat("a.", 127) + "b/a": "253 bytes",
		"https://[::1/a":             "no ]",
		"https://[h]/a":              "IPv6",
		"https://[127.0.0.1]/a":      "IPv6",
		"https://[fe80::1%25eth0]/a": "IPv6",
		"https://::1/a":              "no host",
		"https://h:/a":               "no port",
		"https://h:0/a":              "no port",
		"https://h:022/a":            "no port",
		"https://h:65536/a":          "no port",
		"https://h:+22/a":            "no port",
		"https://h:22:22/a":          "no port",
		"https://[::1]x/a":           "no port",
	}
}

// users have users that are none.
func users() map[string]string {
	return map[string]string{
		"ssh://@h/a":      "empty",
		"@h:a":            "empty",
		"ssh://a b@h/a":   "blank",
		"ssh://a%20b@h/a": "user has other",
		"ssh://$(id)@h/a": "user has other",
		"ssh://`id`@h/a":  "user has other",
		"ssh://a;b@h/a":   "user has other",
		"ssh://a@b@h/a":   "user has other",
		"ssh://" + strings.Repeat("u", 129) + "@h/a": "128 bytes",
	}
}

// paths have paths that lead elsewhere, or that a shell reads.
func paths() map[string]string {
	return map[string]string{
		"https://h":                "no path",
		"https://h/":               "no path",
		"git@h:":                   "no path",
		"git@h:/":                  "no path",
		"https://h//a":             "empty part",
		"https://h/a//b":           "empty part",
		"https://h/a//":            "empty part",
		"https://h/../a":           `".."`,
		"https://h/a/..":           `".."`,
		"https://h/a/./b":          `"."`,
		"https://h/%2e%2e/a":       `".."`,
		"https://h/a%2f..%2fb":     "encoded '/'",
		"https://h/a%5cb":          `encoded '\\'`,
		"git@h:../a":               `".."`,
		"git@h:a%20b":              `"%"`,
		"git@h::a":                 "':'",
		"https://h/a;id":           "';'",
		"https://h/$(id)":          "'$'",
		"https://h/`id`":           "'`'",
		"https://h/a|b":            "'|'",
		"https://h/a&b":            "'&'",
		"https://h/a'b":            `'\''`,
		"https://h/a\"b":           `'"'`,
		"https://h/a<b":            "'<'",
		"https://h/a*":             "'*'",
		"https://h/a!b":            "'!'",
		"https://h/{a,b}":          "'{'",
		"https://h/a:b":            "':'",
		"https://h/a😀":             "'😀'",
		"git@h:a;touch":            "';'",
		"git@h:$(id)":              "'$'",
		"ssh://git@h/a%27%3bid":    "shell",
		"ssh://git@h/a%24%28id%29": "shell",
		"git://h/a%60id%60":        "shell",
	}
}

// noRepositories are no addresses of repositories.
func noRepositories() map[string]string {
	return map[string]string{
		"file:///etc":       "directory source",
		"FILE:///etc":       "directory source",
		"/srv/git/r.git":    "directory source",
		"./r.git":           "directory source",
		"../r.git":          "directory source",
		"~/r.git":           "directory source",
		"r.git":             "neither",
		"github.com/a/b":    "neither",
		"host:path":         "neither",
		"user@host/path":    "neither",
		`C:\r`:              `"\"`,
		"C:/r":              "neither",
		"https:/h/a":        "neither",
		"https:h/a":         "neither",
		"//h/a":             "directory source",
		"://h/a":            "no scheme",
		"ftp://h/a":         "no way",
		"svn://h/a":         "no way",
		"javascript://h/a":  "no way",
		"docker://alpine/a": "no way",
		"git+ssh://git@h/a": "write ssh://",
		"git+https://h/a":   "write https://",
		"data:text/plain,a": "neither",
		"[git@h:2222]:a":    "user has other",
		"git@[::1:a":        "neither",
		"git@[::1]a":        "neither",
		"alpine@sha256:" + strings.Repeat("0", 64):   "digest of an image",
		"h/alpine@sha256:" + strings.Repeat("0", 64): "neither",
	}
}
