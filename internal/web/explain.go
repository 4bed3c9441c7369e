package web

import (
	"maps"
	"net/http"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// explainer says why a rule matches a log or not, and how a log is decoded.
type explainer struct {
	topics *topics
	state  *engineState
	groups Groups // nil for none
}

func (x *explainer) routes() []route {
	return []route{
		{"POST /api/v1/explain", Reader, costly, api(x.post)},
		{"POST /api/v1/decode", Reader, costly, api(x.postDecode)},
	}
}

// explained says why a rule matches a log or not, and the state of the log's group.
type explained struct {
	Rule   string            `json:"rule"`
	Match  match.Tree        `json:"match"`
	Labels map[string]string `json:"labels"`
	Group  *GroupStatus      `json:"group,omitempty"`
}

// explain evaluates the match of a rule for the logs of an event.
func (x *explainer) explain(r *rule.Rule, e event) ([]explained, error) {
	list := []explained{}
	err := x.topics.eachLog(e, func(l *decode.Log) {
		one := explained{
			Rule:   r.ID(),
			Match:  match.Explain(r.Match, l, x.state.lists()),
			Labels: groupOf(r, l, x.state.lists()),
		}
		if x.groups != nil {
			if g, ok := x.groups.Group(r.ID(), one.Labels); ok {
				one.Group = &g
			}
		}
		list = append(list, one)
	})
	return list, err
}

func (x *explainer) post(w http.ResponseWriter, r *http.Request) error {
	var e event
	if err := readJSON(r, &e); err != nil {
		return err
	}
	found, err := x.state.ruleByID(e.Rule)
	if err != nil {
		return err
	}
	list, err := x.explain(found, e)
	if err != nil {
		return err
	}
	return ok(w, list)
}

// explainData is the form on a rule's page that explains a log.
type explainData struct {
	Event   string
	Topic   string
	Topics  []string // to choose from, if several
	Logs    []explained
	Problem string
}

// maxExplained is the number of logs of an event that are explained.
const maxExplained = 20

func (x *explainer) form(r *http.Request, of *rule.Rule) explainData {
	d := explainData{Event: r.PostFormValue("event"), Topic: r.PostFormValue("topic")}
	if x.topics.logs != nil {
		if topics := x.topics.logs.Topics(); len(topics) > 1 {
			d.Topics = topics
		}
	}
	if r.Method != http.MethodPost {
		return d
	}
	if strings.TrimSpace(d.Event) == "" {
		d.Problem = "Enter a log to explain."
		return d
	}
	list, err := x.explain(of, event{Event: strings.TrimRight(d.Event, "\r\n"), Topic: d.Topic})
	if err != nil {
		d.Problem = err.Error()
	}
	d.Logs = list[:min(len(list), maxExplained)]
	return d
}

// decoded is a decoded log.
type decoded struct {
	Format string          `json:"format"`
	Entry  models.LogEntry `json:"entry"`
}

func (x *explainer) postDecode(w http.ResponseWriter, r *http.Request) error {
	var e event
	if err := readJSON(r, &e); err != nil {
		return err
	}
	list := []decoded{}
	if err := x.topics.eachLog(e, func(l *decode.Log) {
		list = append(list, decoded{l.Format(), l.Entry()})
	}); err != nil {
		return err
	}
	return ok(w, list)
}

// groupOf returns the group labels of a log.
func groupOf(r *rule.Rule, l *decode.Log, lists match.Lists) map[string]string {
	labels := map[string]string{}
	holds := func(q rule.Query) bool { return match.Eval(q, l, lists) }
	for _, by := range r.By {
		for _, field := range by.FieldsIn(holds) {
			if v := l.Lookup(field); v.Kind != decode.Absent && v.Kind != decode.Null {
				if decode.IsStream(field) {
					maps.Copy(labels, decode.LabelsOf(string(v.Text)))
				} else {
					labels[by.Name] = string(v.Text)
				}
				break
			}
		}
	}
	return labels
}
