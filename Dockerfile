# The static binary on nothing, run as a user that is not root. `make image` makes the same for amd64 and arm64, without a container engine:
# internal/image/assemble has the same settings. docs/image.md says how either is used.
ARG GO_IMAGE=docker.io/library/golang:1.26
ARG BASE_IMAGE=scratch

FROM ${GO_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
ARG COMMIT=
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=${VERSION} -X main.commit=${COMMIT}" -o /image/usr/local/bin/plan ./cmd/plan
RUN mkdir /image/tmp /image/work && chmod 1777 /image/tmp

FROM ${BASE_IMAGE}
ARG VERSION=dev
ARG COMMIT=
LABEL org.opencontainers.image.title="plan" \
      org.opencontainers.image.description="Declarative plans for people who operate k3s and other Kubernetes clusters" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY --from=build /image/ /
WORKDIR /work
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/plan"]
