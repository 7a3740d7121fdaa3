"""Signs bodies with Python's own hmac, independently of the engine.

Standard input: one JSON object a line: {"secret": TEXT, "body": BASE64} or, for Standard Webhooks, with "id" and
"timestamp" and a secret `whsec_BASE64`. Standard output: one JSON object a line: {"signature": TEXT}.
"""

import base64
import hashlib
import hmac
import json
import sys

for line in sys.stdin:
    order = json.loads(line)
    body = base64.b64decode(order["body"])
    if "id" in order:
        key = base64.b64decode(order["secret"].removeprefix("whsec_"))
        message = f"{order['id']}.{order['timestamp']}.".encode() + body
        digest = hmac.new(key, message, hashlib.sha256).digest()
        signature = "v1," + base64.b64encode(digest).decode()
    else:
        signature = hmac.new(order["secret"].encode(), body, hashlib.sha256).hexdigest()
    print(json.dumps({"signature": signature}))
