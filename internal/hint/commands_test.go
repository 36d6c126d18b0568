package hint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// command matches text with a command that a person may paste, up to the first argument.
var command = regexp.MustCompile(`\b(?:kubectl|az [a-z]+|chmod|chown|helm (?:install|rollback|uninstall|upgrade)` +
	`|vault (?:auth|delete|kv|list|login|operator|policy|read|secrets|token|write)` +
	`|secretctl (?:config|rotate)) [^;%]*%[^q]`)

// A name in a command may be one that a server chose, and pasting the command must not run
// what it says. So secret.Shellf makes each text with a command and an argument.
func TestNamesInCommandsAreQuoted(t *testing.T) {
	for _, folder := range []string{"../../cmd", ".."} {
		err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				inspect(t, path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func inspect(t *testing.T, path string) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		x, _ := n.(ast.Expr)
		if text := format(x); command.MatchString(text) {
			t.Errorf("%s: use secret.Shellf: %s", files.Position(n.Pos()), text)
			return false
		}
		return !isShellf(x)
	})
}

// format returns a string and what is added to it, with a verb for each part that is not
// constant.
func format(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.BinaryExpr:
		return format(x.X) + format(x.Y)
	case *ast.BasicLit:
		text, _ := strconv.Unquote(x.Value)
		return text
	}
	if isShellf(x) {
		return ""
	}
	return "%s"
}

func isShellf(x ast.Expr) bool {
	call, ok := x.(*ast.CallExpr)
	if !ok {
		return false
	}
	name, _ := call.Fun.(*ast.Ident) // in package secret
	if f, ok := call.Fun.(*ast.SelectorExpr); ok {
		name = f.Sel
	}
	return name != nil && strings.EqualFold(name.Name, "Shellf") // or a wrapper
}
