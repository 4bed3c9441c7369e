package web

import (
	"net/http"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// explained says why a rule matches a log or does not, and what it knows of the group that the log
// falls into.
type explained struct {
	Rule   string            `json:"rule"`
	Match  match.Tree        `json:"match"`
	Labels map[string]string `json:"labels"`
	Group  *GroupStatus      `json:"group,omitempty"`
}

// explain holds the logs of an event against a rule.
func (s *Server) explain(r *rule.Rule, e event) ([]explained, error) {
	list := []explained{}
	err := s.eachLog(e, func(l *decode.Log) {
		one := explained{
			Rule:   r.ID(),
			Match:  match.Explain(r.Match, l, s.lists()),
			Labels: groupOf(r, l),
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
	found, err := s.ruleByID(e.Rule)
	if err != nil {
		return err
	}
	list, err := s.explain(found, e)
	if err != nil {
		return err
	}
	return ok(w, list)
}

// explainData is the part of a rule's page on which a log is held against it.
type explainData struct {
	Event   string
	Topic   string
	Topics  []string // to choose from, when there are several
	Logs    []explained
	Problem string
}

// mostExplained are shown of one event.
const mostExplained = 20

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
		d.Problem = "There is no log to explain."
		return d
	}
	list, err := s.explain(of, event{Event: strings.TrimRight(d.Event, "\r\n"), Topic: d.Topic})
	if err != nil {
		d.Problem = err.Error()
	}
	d.Logs = list[:min(len(list), mostExplained)]
	return d
}
