package rule

import (
	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/strictyaml"
)

// emptyHint is the shortest rule file.
const emptyHint = "a rule file is like: groups: [{name: shop, rules: [{alert: Errors, " +
	"match: 'level>=ERROR', by: [service]}]}]"

// Foreign is the mistake of a file that holds rules of another system, or rules without their
// groups; nil if it is none.
func Foreign(name string, data []byte) error {
	r := newReader()
	r.File = name
	if root := r.Parse(data); root == nil || !r.foreign(root) {
		return nil
	}
	return r.Problems.Err()
}

// foreign recognizes rules of other systems, and a rule without its group, and says what to do with
// them.
func (r *reader) foreign(root *strictyaml.Node) bool {
	if root.Kind == yaml.SequenceNode && len(root.Content) > 0 {
		if first := root.Content[0]; key(first, "alert") != nil || key(first, "record") != nil {
			r.Fail(root, "put groups: [{name: NAME, rules: [...]}] around it",
				"this is a list of rules; a rule file has groups")
			return true
		}
	}
	system, command, also := "", "", ""
	switch at := func(name string) bool { return key(root, name) != nil }; {
	case at("detection") && (at("logsource") || at("title")), at("correlation") && at("title"):
		system, command = "a Sigma rule", "sigma"
		also = "name its directory under sigma: in alert-engine.yml to have it read as it is, or "
	case at("type") && (at("index") || at("filter") && at("alert")):
		system, command = "an ElastAlert rule", "elastalert"
	case at("kind") && at("spec"):
		system, command = "a Kubernetes object with Prometheus rules", "loki"
	case at("alert") || at("record"):
		r.Fail(root, "put groups: [{name: NAME, rules: [...]}] around it",
			"this is a rule alone; a rule file has groups")
		return true
	default:
		return r.prometheus(root)
	}
	r.Fail(root, also+"alert-engine import "+command+" FILE translates it", "this is %s", system)
	return true
}

// prometheus recognizes rule groups of Prometheus, Loki and vmalert by their first rule.
func (r *reader) prometheus(root *strictyaml.Node) bool {
	groups := key(root, "groups")
	if groups == nil || groups.Kind != yaml.SequenceNode {
		return false
	}
	for _, g := range groups.Content {
		rules := key(g, "rules")
		if rules == nil || rules.Kind != yaml.SequenceNode {
			continue
		}
		for _, one := range rules.Content {
			if expr := key(one, "expr"); expr != nil {
				r.Fail(expr, "alert-engine import FILE translates rules over logs; "+
					"rules over metrics have nothing to read here",
					"this is a Prometheus, Loki or vmalert rule: it has expr")
				return true
			}
		}
	}
	return false
}

// key is the value of a key of a mapping, nil when there is none.
func key(n *strictyaml.Node, name string) *strictyaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}
