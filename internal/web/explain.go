package web

import (
	"net/http"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// explained says why a rule matches a log or not, and the state of the log's group.
type explained struct {
	Rule   string            `json:"rule"`
	Match  match.Tree        `json:"match"`
	Labels map[string]string `json:"labels"`
	Group  *GroupStatus      `json:"group,omitempty"`
}

// explain evaluates the match of a rule for the logs of an event.
func (s *Server) explain(r *rule.Rule, e event) ([]explained, error) {
	list := []explained{}
	err := s.eachLog(e, func(l *decode.Log) {
		one := explained{
			Rule:   r.ID(),
			Match:  match.Explain(r.Match, l, s.state.lists()),
			Labels: groupOf(r, l, s.state.lists()),
		}
		if s.Groups != nil {
			if g, ok := s.Groups.Group(r.ID(), one.Labels); ok {
				one.Group = &g
			}
		}
		list = append(list, one)
	})
	return list, err
}

func (s *Server) postExplain(w http.ResponseWriter, r *http.Request) error {
	var e event
	if err := readJSON(r, &e); err != nil {
		return err
	}
	found, err := s.state.ruleByID(e.Rule)
	if err != nil {
		return err
	}
	list, err := s.explain(found, e)
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

func (s *Server) explainForm(r *http.Request, of *rule.Rule) explainData {
	d := explainData{Event: r.PostFormValue("event"), Topic: r.PostFormValue("topic")}
	if s.Logs != nil {
		if topics := s.Logs.Topics(); len(topics) > 1 {
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
	list, err := s.explain(of, event{Event: strings.TrimRight(d.Event, "\r\n"), Topic: d.Topic})
	if err != nil {
		d.Problem = err.Error()
	}
	d.Logs = list[:min(len(list), maxExplained)]
	return d
}
