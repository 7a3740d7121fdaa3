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
    "A delivery has at most 25 MiB, which is also the most that forges send.",
    "a push with hundreds of thousands of commits in its body",
    "let the forge send fewer events, or less in each";
    BODY_INCOMPLETE = 804, "the body did not arrive",
    "The connection was lost, or the body came so slowly that nobody waits for it any longer.",
    "a sender that stops in the middle",
    "send it again";
    TOO_MANY_REQUESTS = 805, "too many requests",
    "A webhook and a tenant have a number of deliveries a minute, so that one that floods does not delay the others.",
    "a forge that sends thousands of events of one repository at once",
    "send it again after the time that the answer names, or raise `deliveries-a-minute`";
    SERVER_BUSY = 806, "the server cannot take it now",
    "It has too much to do, is about to stop, or cannot write to its store. Nothing was stored.",
    "a disk that is full",
    "send it again later; `/ready` and the log of the server say what is wrong";
    NOT_THERE = 807, "there is nothing at this address",
    "The address is not one of this server, or takes no request of this kind.",
    "GET /webhooks/demo",
    "look at the address; webhooks are sent to with POST /webhooks/ID";
}
