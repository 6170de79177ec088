package detect

import "strings"

// noArguments are arguments that name nothing.
func noArguments() map[string][]string {
	return map[string][]string{
		"":   {"empty", "name a directory, a git URL, a Dockerfile or an image"},
		"-":  {"standard input"},
		"-d": {"is an option", `"./-d"`}, "--image": {"is an option"}, "a\x00b": {"NUL"},
	}
}

// twoReadings are names that mean two things.
func twoReadings() map[string][]string {
	return map[string][]string{
		"alpine":         {`"alpine" is a directory here and the name of an image`, `"./alpine" or "image:alpine"`},
		"report":         {`"./report" or "image:report"`},
		"examples/one":   {`"./examples/one" or "image:examples/one"`},
		"debian":         {`"debian" is a Dockerfile here and the name of an image`, `"./debian" or "image:debian"`},
		"script.py":      {"is a file and no Dockerfile", `line 1 begins with "import"`, `"image:script.py"`},
		"repo.git":       {`"./repo.git"`},
		"me@h:x":         {"is a file or directory here and a git URL", `"./me@h:x" or "git:me@h:x"`},
		"github.com/x/y": {`"./github.com/x/y" or "image:github.com/x/y"`},
	}
}

// hosts are addresses without a scheme.
func hosts() map[string][]string {
	return map[string][]string{
		"github.com/a/b":              {"github.com serves repositories and no images", `"https://github.com/a/b"`, `"image:github.com/a/b"`},
		"github.com/a/b:v1":           {"serves repositories and no images"},
		"www.github.com/a/b":          {"serves repositories and no images"},
		"gitlab.com/group/project":    {`"https://gitlab.com/group/project"`},
		"bitbucket.org/a/b":           {`"https://bitbucket.org/a/b"`},
		"gitlab.example.com/group/p":  {"perhaps a git repository and perhaps an image", `"https://gitlab.example.com/group/p" or "image:gitlab.example.com/group/p"`},
		"github.com.evil.example/a/b": {"perhaps a git repository and perhaps an image"},
		"codeberg.org/a/b":            {"perhaps a git repository"},
		"git.example.com/a":           {"perhaps a git repository"},
		"h.example/a.git":             {"no scheme", `"https://h.example/a.git"`, `"image:h.example/a.git"`},
		"a.git":                       {"no scheme"},
	}
}

// mistyped are paths of what is not there.
func mistyped() map[string][]string {
	return map[string][]string{
		"./repotr":                      {`"./repotr": no such file or directory`, `did you mean "./report"?`},
		"repotr/":                       {"no such file or directory", `"./report"`},
		"../nowhere":                    {"no such file or directory"},
		"/nowhere/at/all":               {"no such file or directory"},
		"./Dangling":                    {"no such file or directory"},
		"./script.py/x":                 {"no such file or directory"},
		"./" + strings.Repeat("x", 300): {"no such file or directory"},
		"~/report":                      {"only a shell knows"},
		"~":                             {"only a shell knows"},
		"examples/two":                  {`the directory "examples" is here`, `"image:examples/two"`},
		"examples/onee":                 {`"./examples/one"`},
	}
}

// noSource are arguments that are nothing, for reasons that the error gives.
func noSource() map[string][]string {
	return map[string][]string{
		"Reportx":    {`"Reportx" is no source`, "no such file or directory", `did you mean "./`, "https:// or ssh://", "lower case"},
		"Some/Where": {"no such file or directory", "lower case"},
		"a b":        {"no such file", "blanks"},
		"a\x1b[2Jb":  {"control characters", `"a\x1b[2Jb"`},
		"a\nb":       {`"a\nb"`},
		"busybox:":   {"tag after the colon"}, "busybox:a:b": {"between them one"}, "a//b": {"is empty"}, "a..b": {"between them one"}, "busybox:v 1": {"blanks"}, "_a": {"between them one"},
		"a/../b":            {"between them one"},
		"busybox@sha256:12": {"digest"}, "busybox@v1": {"not a digest"}, "user@host": {"not a digest"},
		"Pipe":        {"neither a file nor a directory"},
		"script.py/":  {"is a file", `"/" at its end`},
		"./script.py": {"is a file and no Dockerfile"}, "Empty": {"it has no FROM"}, "./onlyarg": {"it has no FROM"}, "Binary": {"it is not text"}, "containerfile.txt": {"no Dockerfile"},
		"./notes": {`line 1 begins with "hello"`, "name its directory as the source"},
	}
}

// badURLs are git URLs that are refused.
func badURLs() map[string][]string {
	return map[string][]string{
		"ext::sh -c id":           {"transport helper"},
		"ext::sh":                 {"transport helper"},
		"ftp://h/a":               {"no way to a git repository"},
		"docker://alpine":         {"no way to a git repository"},
		"file:///etc":             {"directory source"},
		"https://user:geheim@h/a": {"password or token"},
		"user:geheim@h:a":         {"password or token"},
		"user:geheim@h/a":         {"git URL"},
		"https://h/a?x=geheim":    {"query"},
		"https://h":               {"no path"},
		"git@h:$(id)":             {"'$'"},
	}
}

// badNames are prefixes before what is something else.
func badNames() map[string][]string {
	return map[string][]string{
		"dir:": {`follows "dir:"`}, "git:": {`follows "git:"`}, "image:": {`follows "image:"`}, "dockerfile:": {`follows "dockerfile:"`},
		"dir:nowhere": {"no such file or directory"}, "dir:Dockerfile": {"is a Dockerfile and no directory"}, "dockerfile:report": {"is a directory and no Dockerfile"},
		"dockerfile:notes": {"no Dockerfile"}, "git:latest": {"neither scheme"}, "git:./repo.git": {"directory source"}, "image:Alpine": {"lower case"}, "image:./alpine": {"not a host name"},
		"image:https://h/a": {"it is a URL"},
	}
}
