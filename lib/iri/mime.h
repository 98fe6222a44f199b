// Header fields and multipart bodies (RFC 2045, RFC 2046, RFC 5621) as views. No state, no allocation: any thread.
#ifndef X2TAP_MIME_H
#define X2TAP_MIME_H

#include "bytes.h"

// One line of a header, folded lines included; `name` and `value` without surrounding white space, both empty for a line
// that is no field.
struct mime_line {
	struct bytes octets; // with its line end
	struct bytes name, value;
	bool is_empty; // the line that ends the header
};

// Takes the next line off `rest`. `mark` ends a line: '\n' (a CR before it or not), or '\r' alone. False at the end.
bool mime_line_next(struct bytes *rest, uint8_t mark, struct mime_line *out);

// What the header says of the body. A type that stands there twice must be the same
// to the octet, else it is unreadable.
struct mime_header {
	struct bytes type;        // "application/sdp" without parameters, as spelled
	struct bytes parameters;  // from the first ';' on
	bool has_type;            // one, and readable
	bool is_encoded;          // Content-Encoding other than identity
	bool is_transfer_encoded; // Content-Transfer-Encoding other than 7bit, 8bit, binary
};
struct mime_header mime_header_read(struct bytes header, uint8_t mark);

bool mime_is_content_length(struct bytes name);
bool mime_is_content_type(struct bytes name);

// Cuts an entity into its header, the empty line included, and its body. False if no empty line is there.
bool mime_split(struct bytes entity, struct bytes *header, struct bytes *body);

enum { MIME_MAX_BOUNDARY = 70 }; // octets, RFC 2046 section 5.1.1

// A part of a multipart body, or what stands before and behind the parts.
struct mime_part {
	struct bytes delimiter; // the line before it, with its end; empty for the preamble
	struct bytes entity;    // header and body
	struct bytes line_end;  // before the next delimiter, to which it belongs
	bool is_epilogue;       // `delimiter` closes the body
	bool is_unclear; // holds a line that only begins like a delimiter: some readers end the part there
};
// The walk: preamble (perhaps empty), parts, epilogue. Start with the body in `rest` and zeros in `part`; the
// same `part` must be handed in again.
bool mime_part_next(struct bytes *rest, struct bytes boundary, struct mime_part *part);

#endif
