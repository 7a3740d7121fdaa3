"""A receiver of OTLP over HTTP: says its port, is away for the first request, then prints every span as a line of JSON."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

requests = 0


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        global requests
        requests += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if requests == 1:
            self.send_error(503)
            return
        message = ExportTraceServiceRequest.FromString(body)
        for resource in message.resource_spans:
            service = [a.value.string_value for a in resource.resource.attributes if a.key == "service.name"]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    print(json.dumps({
                        "path": self.path,
                        "type": self.headers["Content-Type"],
                        "key": self.headers["X-Key"],
                        "service": service[0],
                        "trace": span.trace_id.hex(),
                        "id": span.span_id.hex(),
                        "parent": span.parent_span_id.hex(),
                        "name": span.name,
                        "begun": span.start_time_unix_nano,
                        "ended": span.end_time_unix_nano,
                        "status": span.status.code,
                        "attributes": {a.key: a.value.string_value for a in span.attributes},
                        "events": [event.name for event in span.events],
                    }), flush=True)
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_port, flush=True)
server.serve_forever()
