# The image of alert-engine. It has no shell; its only writable directory is the volume /data.
#
#   docker build -t alert-engine .
#   docker run --read-only -v alert-engine:/data -v ./rules:/rules:ro -p 8080:8080 alert-engine \
#     run --brokers kafka:9092 --topic application-logs --rules '/rules/*.rules.yml' --listen :8080
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=devel
RUN CGO_ENABLED=0 go build -trimpath \
      -ldflags "-s -w -X github.com/log-monitoring/alert-engine/internal/app.version=$VERSION" \
      -o /out/alert-engine ./cmd/alert-engine && mkdir -m 0700 /out/data

FROM gcr.io/distroless/static:nonroot
COPY --from=build /out/alert-engine /alert-engine
COPY --from=build --chown=nonroot:nonroot /out/data /data
ENV ALERT_ENGINE_DATA_DIR=/data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s CMD ["/alert-engine", "health"]
ENTRYPOINT ["/alert-engine"]
CMD ["run"]
