package app

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"testing"
)

// untyped are the functions that may look for words in the text of an error: the library that makes
// it has no type for it. What they find is printed, and decides nothing.
var untyped = map[string]string{
	"internal/problem.YAML":              "the YAML packages state lines in texts alone",
	"internal/alerting.templateProblems": "text/template has no type for an unknown field",
}

// textTests are the functions of strings and regexp that decide by a text.
var textTests = []string{
	"Contains", "ContainsAny", "ContainsFunc", "HasPrefix", "HasSuffix", "EqualFold", "Index",
	"IndexAny", "LastIndex", "Cut", "CutPrefix", "CutSuffix", "Split", "SplitN", "Fields",
	"Match", "MatchString", "FindString", "FindStringSubmatch", "FindAllStringSubmatch",
	"FindStringIndex", "FindAllString",
}

// Nothing is decided by the text of an error, which others change at will. A text is followed
// through variables and the parameters of functions of the same package.
func TestErrorTextsDecideNothing(t *testing.T) {
	packages := map[string][]*ast.FuncDecl{}
	eachSource(t, func(pkg, file, text string) {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, 0)
		if err != nil {
			t.Error(err)
			return
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				packages[pkg] = append(packages[pkg], f)
			}
		}
	})
	for pkg, functions := range packages {
		for _, name := range decidedByText(functions) {
			if untyped[pkg+"."+name] == "" {
				t.Errorf("%s.%s decides by the text of an error; give the error a type", pkg, name)
			}
			delete(untyped, pkg+"."+name)
		}
	}
	for name := range untyped {
		t.Errorf("%s does not look at the text of an error; strike it", name)
	}
}

// The watch sees what it watches for.
func TestErrorTextsAreFollowed(t *testing.T) {
	f := func(body string, want ...string) {
		t.Helper()
		parsed, err := parser.ParseFile(token.NewFileSet(), "f.go", "package f\n"+body, 0)
		if err != nil {
			t.Fatal(err)
		}
		var functions []*ast.FuncDecl
		for _, d := range parsed.Decls {
			functions = append(functions, d.(*ast.FuncDecl))
		}
		if got := decidedByText(functions); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
	f(`func a(err error) bool { return strings.Contains(err.Error(), "no") }`, "a")
	f(`func a(err error) bool { text := err.Error(); return re.MatchString(text) }`, "a")
	f(`func a(err error) bool { return err.Error() == "EOF" }`, "a")
	f(`func a(err error) { b("", err.Error()) }
func b(x, text string) { strings.Cut(text, ":") }`, "b")
	f(`func a(err error) { for _, l := range strings.Split(err.Error(), "x") { b(l) } }
func b(text string) { re.FindStringSubmatch(text) }`, "a", "b")
	f(`func a(x, err error) string { return strings.TrimPrefix(err.Error(), "yaml: ") }`)
	f(`func a(x, err error) bool { return x.Error() == err.Error() }`)
}

// decidedByText returns the names of the functions of a package that decide by the text of an
// error.
func decidedByText(functions []*ast.FuncDecl) []string {
	texts := map[string]map[string]bool{} // variables with the text of an error, by function
	for _, f := range functions {
		texts[f.Name.Name] = map[string]bool{}
	}
	var found []string
	for changed := true; changed; {
		changed, found = false, nil
		for _, f := range functions {
			if decides(f, functions, texts, &changed) {
				found = append(found, f.Name.Name)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func decides(
	f *ast.FuncDecl, functions []*ast.FuncDecl, texts map[string]map[string]bool, changed *bool,
) (found bool) {
	own := texts[f.Name.Name]
	isText := func(e ast.Expr) bool { return e != nil && holdsText(e, own) }
	note := func(in map[string]bool, name string) {
		if name != "_" && !in[name] {
			in[name], *changed = true, true
		}
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for i, right := range n.Rhs {
				if len(n.Lhs) != len(n.Rhs) || !isText(right) {
					continue
				}
				if v, ok := n.Lhs[i].(*ast.Ident); ok {
					note(own, v.Name)
				}
			}
		case *ast.RangeStmt:
			if v, ok := n.Value.(*ast.Ident); ok && isText(n.X) {
				note(own, v.Name)
			}
		case *ast.BinaryExpr:
			if (n.Op == token.EQL || n.Op == token.NEQ) &&
				(isWords(n.Y) && isText(n.X) || isWords(n.X) && isText(n.Y)) {
				found = true
			}
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && slices.Contains(textTests, s.Sel.Name) &&
				slices.ContainsFunc(n.Args, isText) {
				found = true
			}
			callee, ok := n.Fun.(*ast.Ident)
			if !ok || texts[callee.Name] == nil {
				return true
			}
			for i, name := range parameters(callee.Name, functions) {
				if i < len(n.Args) && isText(n.Args[i]) {
					note(texts[callee.Name], name)
				}
			}
		}
		return true
	})
	return found
}

// isWords reports whether an expression is a text that is written out, and not empty.
func isWords(e ast.Expr) bool {
	l, ok := e.(*ast.BasicLit)
	return ok && l.Value != `""`
}

// holdsText reports whether an expression is the text of an error, or a part of one.
func holdsText(e ast.Expr, own map[string]bool) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return own[e.Name]
	case *ast.CallExpr:
		s, ok := e.Fun.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		if s.Sel.Name == "Error" && len(e.Args) == 0 {
			return true
		}
		x, ok := s.X.(*ast.Ident)
		return ok && x.Name == "strings" && len(e.Args) > 0 && holdsText(e.Args[0], own)
	}
	return false
}

// parameters are the names of the parameters of a function, in order.
func parameters(name string, functions []*ast.FuncDecl) (names []string) {
	for _, f := range functions {
		if f.Name.Name != name || f.Recv != nil {
			continue
		}
		for _, p := range f.Type.Params.List {
			for _, n := range p.Names {
				names = append(names, n.Name)
			}
		}
	}
	return names
}
