//! SW0801 to SW0819: what a server answers to those who send to it.

super::pages! {
    NOT_AUTHENTIC = 801, "the request is not authentic",
    "Its signature or token is missing or wrong, or there is nothing at this address. The answer does not tell which, so that \
     nobody can find out what is there.",
    "POST /webhooks/demo without a signature",
    "set the webhook's secret at the forge to the one in the configuration, and its address to the webhook's";
    DELIVERY_UNREADABLE = 802, "the delivery cannot be read",
    "It is authentic and was stored, but its body is not what the forge documents, or another forge sent it.",
    "a form instead of JSON sent to a webhook of Gitea",
    "set the webhook's content type to JSON, and register the webhook for the forge that sends to it";
    BODY_TOO_LARGE = 803, "the body is too large",
    "A delivery has at most 25 MiB, which is also the most that forges send; a request to the API at most 1 MiB. The files of a \
     preflight are at most 100,000 and 1 GiB together, and none that is sent has more than 64 MiB.",
    "a push with hundreds of thousands of commits in its body; a preflight of a folder with a disk image in it",
    "send less: let the forge tell of fewer events; let git ignore what is not needed, or push it";
    BODY_INCOMPLETE = 804, "the body did not arrive",
    "The connection was lost, or the body came so slowly that nobody waits for it any longer.",
    "a sender that stops in the middle",
    "send it again";
    TOO_MANY_REQUESTS = 805, "too many requests",
    "A webhook and a tenant have a number of deliveries a minute, and a token a number of requests, so that one that floods does \
     not delay the others. Requests whose token is missing or wrong are counted by the address that they come from; whoever has a \
     good token is answered from there as before.",
    "a forge that sends thousands of events of one repository at once; a script that goes on with a token that was taken back",
    "send it again after the time that the answer names; raise `deliveries-a-minute`, or correct the token";
    SERVER_BUSY = 806, "the server cannot take it now",
    "It has too much to do, is about to stop, or cannot write to its store. Nothing was stored.",
    "a disk that is full",
    "send it again later; `/ready` and the log of the server say what is wrong";
    NOT_THERE = 807, "there is nothing at this address",
    "The address is not one of this server, or takes no request of this kind.",
    "GET /webhooks/demo",
    "look at the address; webhooks are sent to with POST /webhooks/ID";
    TOKEN_REFUSED = 810, "the token is missing or wrong",
    "The API takes a token in the header `Authorization: Bearer TOKEN`. This one is missing, is none of the configuration's, or \
     its time is over.",
    "GET /api/v1/tenants/acme/runs without a token",
    "make one with `stageway token NAME`, and add what it prints to the server's configuration";
    SCOPE_MISSING = 811, "the token may not do this",
    "What a token may do stands in its `scopes`: `read`, `run`, `approve` and `admin`. None of them holds another.",
    "a run that is cancelled with a token that has the scope `read` alone",
    "use a token with the scope that the answer names";
    NOT_UNDERSTOOD = 812, "the request is not understood",
    "Its parameters or its body are not what this address takes. `/api/v1/openapi.json` describes every address.",
    "GET /api/v1/tenants/acme/runs?max=many",
    "correct what the answer names";
    STANDS_OTHERWISE = 813, "it is too late or too early for this",
    "What is asked for does not fit how things stand: a run that has ended cannot be cancelled, a question is answered once, and a \
     delivery is opened again only when something has become of it.",
    "a run that is cancelled after its end",
    "look at it again; nothing was changed";
    NOT_AN_APPROVER = 814, "others are asked",
    "The stage's `approval`, or the policy's rule for its environment, names who may answer, and neither the token's name nor one \
     of its `groups` is among them.",
    "an answer to a stage whose environment has `approvers: [release-team]`, with a token that is in no group",
    "have it answered by one of those, or add the group to the token in the server's configuration";
    METHOD_NOT_TAKEN = 815, "the address takes no request of this kind",
    "There is something at this address, but for another method; the header `Allow` names them.",
    "DELETE /api/v1/tenants/acme/runs",
    "use one of the methods that the answer names";
    RANGE_NOT_THERE = 816, "the range is not there",
    "What is asked for ends before the range begins.",
    "`Range: bytes=1000-` of a log with 900 bytes",
    "ask for a range within the length that the answer's `Content-Range` names";
    TOKEN_IN_CLEAR = 817, "a token stands in the configuration",
    "The configuration holds hashes of tokens, so that whoever reads it cannot use them. A token that was written into it must be \
     taken for known.",
    "tokens: { ci: { tenant: acme, scopes: [read], hash: sw_… } }",
    "make another token with `stageway token`, and write its hash";
    ASKED_OTHERWISE = 818, "something else is asked now",
    "An answer says what it was given to: the digest of the question with its effects. The stage asks something else by now, so \
     that whoever answered has not seen what would be approved. Nothing was answered.",
    "a stage that was tried again, with other effects, while somebody read its first question",
    "read the question as it stands (`stageway show RUN`), and answer that one";
}
