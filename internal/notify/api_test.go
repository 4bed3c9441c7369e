package notify

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
)

// As many GET requests as are answered at a time do not keep anyone from silencing.
func TestReadingLeavesRoomForSilences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		n := &Notifier{registry: prometheus.NewRegistry()}
		h := n.limited(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				<-release
			}
		}))
		code := func(method string) int {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(method, "/api/v2/silences", nil))
			return w.Code
		}
		for range apiRequests {
			go code(http.MethodGet)
		}
		synctest.Wait()
		if got := code(http.MethodGet); got != http.StatusServiceUnavailable {
			t.Errorf("one request too many is %d", got)
		}
		for _, method := range []string{http.MethodPost, http.MethodDelete} {
			if got := code(method); got != http.StatusOK {
				t.Errorf("%s is %d", method, got)
			}
		}
		close(release)
	})
}
