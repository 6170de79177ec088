package kubetest

import (
	"encoding/json"
	"fmt"
	"net/http"

	"plan/internal/kube"
)

// accessReviews is where clients ask what they may do.
const accessReviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

// review answers such a question. What Allow refuses is refused here only: the calls themselves are executed.
func (s *Server) review(r *http.Request) (int, string) {
	var ask struct {
		Spec struct {
			ResourceAttributes kube.Access `json:"resourceAttributes"`
		} `json:"spec"`
	}
	if err := json.NewDecoder(r.Body).Decode(&ask); err != nil || ask.Spec.ResourceAttributes.Verb == "" {
		return http.StatusBadRequest, failure(http.StatusBadRequest, "BadRequest", "want spec.resourceAttributes with a verb")
	}
	allowed := s.Allow == nil || s.Allow(ask.Spec.ResourceAttributes)
	return http.StatusCreated, fmt.Sprintf(`{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","status":{"allowed":%t}}`, allowed)
}
