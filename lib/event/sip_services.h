// Which of the services that a task may be limited to (X1 listOfServiceTypes) a SIP message belongs to.
//
// voice       INVITE sessions with all of their dialogs, whatever their media (audio, video, image, text, application ...)
// messaging   MESSAGE (RFC 3428); INVITE sessions whose SDP names m=message alone (MSRP, RFC 4975)
// both        INVITE sessions whose SDP names m=message and other media; and what serves all services: REGISTER, SUBSCRIBE,
//             NOTIFY, PUBLISH, OPTIONS, methods that are not known
//
// Responses go by the method of their CSeq. ACK, BYE, CANCEL, PRACK, UPDATE, INFO and REFER belong to the session: whether
// a task has part in it shows in its INVITE, and holds until it ends. Where no INVITE was seen, and where it shows no media,
// it is voice. Media that are added bring their service in, media that go take nobody out. A MESSAGE in a dialog is
// messaging all the same, and shows nothing of the session. No SIP is `data`.
//
// Pure: no state, no allocation, any thread. Looks at each octet of a body once.
#ifndef X2TAP_SIP_SERVICES_H
#define X2TAP_SIP_SERVICES_H

#include "sip.h"
#include "task.h"

// What a message shows by itself.
struct sip_services {
	uint8_t services; // enum service bits that it belongs to
	bool of_session;  // of an INVITE session: what is known of that counts more
	bool shows_media; // `services` comes from m= lines
};
struct sip_services sip_services_of(const struct sip_message *message);

// What is known of a task and an INVITE session.
enum sip_share {
	SIP_SHARE_UNKNOWN,
	SIP_SHARE_HAS, // the session belongs to the task
	SIP_SHARE_NOT, // it is of another service, which what shows no media would not tell
};

// Whether a message belongs to a task with these services (enum service bits, 0: all). `share` is what was known, and
// then is what this message adds.
bool sip_services_hold(uint8_t ordered, const struct sip_services *shown, enum sip_share *share);

#endif
