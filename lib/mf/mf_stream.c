#include "mf_stream.h"

#include <stdlib.h>

void mf_stream_fini(struct mf_stream *s)
{
	free(s->octets);
	*s = (struct mf_stream){0};
}

uint8_t *mf_stream_room(struct mf_stream *s, size_t want)
{
	size_t len = s->to - s->from;
	if (len > 0 && s->from > 0)
		memmove(s->octets, s->octets + s->from, len);
	s->from = 0;
	s->to = len;
	if (s->cap - len < want) {
		size_t cap = s->cap * 2 > len + want ? s->cap * 2 : len + want;
		uint8_t *octets = realloc(s->octets, cap);
		if (!octets)
			return NULL;
		s->octets = octets;
		s->cap = cap;
	}
	return s->octets + len;
}

void mf_stream_added(struct mf_stream *s, size_t len)
{
	s->to += len;
}

enum parse_result mf_stream_next(struct mf_stream *s, struct mf_pdu *out)
{
	size_t needed;
	if (s->to == s->from)
		return PARSE_TRUNCATED;
	struct bytes waiting = bytes_of(s->octets + s->from, s->to - s->from);
	enum parse_result result = mf_pdu_decode(waiting, out, &needed);
	if (result == PARSE_OK)
		s->from += out->octets.len;
	return result;
}

size_t mf_stream_unfinished(const struct mf_stream *s)
{
	return s->to - s->from;
}
