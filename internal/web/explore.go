package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// exploreData is the data of the explore page.
type exploreData struct {
	Query   string
	Since   string
	Topic   string
	Topics  []string
	Problem string
	Found   searchResult
	Bars    []band
	Ticks   []tickMark
	Around  *models.Position // shows the logs around this one
	Missing string
}

var sinceChoices = []string{"5m", "15m", "1h", "6h", "24h", "7d"}

// Choices are the time ranges of the page.
func (exploreData) Choices() []string { return sinceChoices }

func (s *Server) explorePage(w http.ResponseWriter, r *http.Request) error {
	d := exploreData{
		Query: r.FormValue("q"),
		Since: r.FormValue("since"),
		Topic: r.FormValue("topic"),
	}
	if d.Since == "" {
		d.Since = "15m"
	}
	if s.Logs == nil {
		d.Missing = "Reading topics is not configured."
	} else {
		d.Topics = s.Logs.Topics()
		if err := s.explore(r, &d); err != nil {
			d.Problem = err.Error()
		}
	}
	s.render(w, r, http.StatusOK, "explore", view{Title: "Explore", Page: "explore", Data: d})
	return nil
}

func (s *Server) explore(r *http.Request, d *exploreData) error {
	q, err := s.newSearch(d.Query)
	if err != nil {
		return err
	}
	if err := s.checkTopic(d.Topic); err != nil {
		return err
	}
	if r.FormValue("offset") != "" {
		return s.around(r, d, q)
	}
	since, err := s.ago(d.Since, 15*time.Minute)
	if err != nil {
		return err
	}
	if d.Found, err = s.lookBack(r.Context(), q, From{Topic: d.Topic, Time: since}, 200); err != nil {
		return err
	}
	d.drawBars()
	return nil
}

// drawBars draws the number of matches over time.
func (d *exploreData) drawBars() {
	const width, height = 960.0, 64.0
	most := max(1, slices.Max(d.Found.Bars))
	step := d.Found.To.Sub(d.Found.From) / bars
	for i, n := range d.Found.Bars {
		if n == 0 {
			continue
		}
		tall := max(1.5, height*float64(n)/float64(most))
		from := d.Found.From.Add(time.Duration(i) * step)
		d.Bars = append(
			d.Bars,
			band{
				X:     float64(i) * width / bars,
				Width: tall,
				Title: fmt.Sprintf("%s: %s", from.UTC().Format("15:04:05"), humanNumber(n)),
			},
		)
	}
	d.Ticks = plot{from: d.Found.From, to: d.Found.To, left: 0, right: width}.timeTicks(8)
}

// aroundLines is the number of logs shown before and after a log.
const aroundLines = 25

// around reads the logs around an offset of a partition.
func (s *Server) around(r *http.Request, d *exploreData, q *search) error {
	at, err := positionOf(r)
	if err != nil {
		return err
	}
	d.Around = &at
	ctx, cancel := context.WithTimeout(r.Context(), lookTime)
	defer cancel()
	counts := fieldCounts{}
	from := From{
		Topic:     at.Topic,
		Partition: at.Partition,
		Offset:    max(0, at.Offset-aroundLines),
		At:        true,
	}
	read, err := q.run(ctx, from, func(e models.LogEntry) bool {
		if e.Position.Offset > at.Offset+aroundLines {
			return false
		}
		l := lineOf(e)
		counts.add(l)
		d.Found.Matched++
		d.Found.Lines = append(d.Found.Lines, l)
		return len(d.Found.Lines) < 500
	})
	if err != nil {
		return &apiError{http.StatusBadGateway, "reading the topic failed: " + err.Error()}
	}
	slices.Reverse(d.Found.Lines)
	d.Found.Read, d.Found.Fields = read, counts.list()
	return nil
}

// positionOf parses the position in a request.
func positionOf(r *http.Request) (models.Position, error) {
	at := models.Position{Topic: r.FormValue("topic")}
	if _, err := fmt.Sscan(r.FormValue("partition"), &at.Partition); err != nil {
		return at, badRequest(
			"partition: %q is not a number",
			safetext.Clip(safetext.Visible(r.FormValue("partition")), 40),
		)
	}
	if _, err := fmt.Sscan(r.FormValue("offset"), &at.Offset); err != nil {
		return at, badRequest(
			"offset: %q is not a number",
			safetext.Clip(safetext.Visible(r.FormValue("offset")), 40),
		)
	}
	return at, nil
}
