# A static binary on nothing, run as a user that is not root.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
ARG COMMIT=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION} -X main.commit=${COMMIT}" -o /plan ./cmd/plan

FROM scratch
COPY --from=build /plan /plan
USER 65532:65532
ENTRYPOINT ["/plan"]
