#include "mf_sink.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "mf_output.h"

enum {
	CONTEXTS_MAX = 1 << 20,
	BUFFER_LEN = 1 << 20, // so that whole PDUs go to the kernel, not pieces of them
};

struct mf_sink {
	FILE *told, *jsonl, *pcapng, *table;
	bool keepalives;
	struct mf_sequences *sequences;
	struct mf_counters counters;
};

static FILE *output_open(const char *path, struct error *error)
{
	bool is_stdout = path[0] == '-' && path[1] == '\0';
	FILE *file = is_stdout ? stdout : fopen(path, "ae");
	if (!file)
		error_set(error, -errno, "%s cannot be written: %s", path, strerror(errno));
	else
		setvbuf(file, NULL, _IOFBF, BUFFER_LEN);
	return file;
}

struct mf_sink *mf_sink_new(const struct mf_sink_options *options, FILE *told, struct error *error)
{
	struct mf_sink *s = calloc(1, sizeof *s);
	if (!s) {
		error_set(error, -ENOMEM, "no memory for the outputs");
		return NULL;
	}
	s->told = told;
	s->keepalives = options->keepalives;
	s->sequences = mf_sequences_new(CONTEXTS_MAX);
	if (!s->sequences) {
		error_set(error, -ENOMEM, "no memory for sequence numbers");
		goto fail;
	}
	if (options->jsonl && !(s->jsonl = output_open(options->jsonl, error)))
		goto fail;
	if (options->pcapng && !(s->pcapng = output_open(options->pcapng, error)))
		goto fail;
	if (s->pcapng)
		mf_pcapng_start(s->pcapng);
	if (options->table && !(s->table = output_open("-", error)))
		goto fail;
	if (s->table)
		mf_table_start(s->table);
	if (mf_sink_flush(s, error) < 0)
		goto fail;
	return s;
fail:
	mf_sink_free(s);
	return NULL;
}

static void output_close(FILE *file)
{
	if (file == stdout)
		fflush(file);
	else if (file)
		fclose(file);
}

void mf_sink_free(struct mf_sink *s)
{
	if (!s)
		return;
	output_close(s->jsonl);
	output_close(s->pcapng);
	output_close(s->table);
	mf_sequences_free(s->sequences);
	free(s);
}

static void tell_problems(struct mf_sink *s, const struct mf_pdu *pdu, const char *peer)
{
	const struct mf_problems *p = &pdu->problems;
	for (size_t i = 0; i < p->count && i < MF_PROBLEMS_MAX; i++)
		fprintf(s->told, "problem: %s of %s: %s\n", mf_type_name(pdu->type), peer,
			p->text[i]);
	if (p->count > MF_PROBLEMS_MAX)
		fprintf(s->told, "problem: and %zu more\n", p->count - MF_PROBLEMS_MAX);
}

static void tell_verdict(
	struct mf_sink *s, const struct mf_pdu *pdu, const struct mf_verdict *v, const char *peer)
{
	char xid[UUID_TEXT];
	uuid_format(&pdu->xid, xid);
	if (v->order == MF_ORDER_JOINED)
		fprintf(s->told, "joined at %" PRIu32, pdu->sequence);
	else if (v->order == MF_ORDER_GAP)
		fprintf(s->told, "gap: %" PRIu32 " missing, expected %" PRIu32 ", got %" PRIu32,
			v->missing, v->expected, pdu->sequence);
	else if (v->order > MF_ORDER_NEXT)
		fprintf(s->told, "%s: %" PRIu32 ", expected %" PRIu32, mf_order_name(v->order),
			pdu->sequence, v->expected);
	else
		return;
	fprintf(s->told, " (XID %s, correlation %016" PRIx64 ", %s)\n", xid, pdu->correlation,
		peer);
}

static void count_verdict(struct mf_counters *c, enum mf_order order)
{
	c->joined += order == MF_ORDER_JOINED;
	c->gaps += order == MF_ORDER_GAP;
	c->repeats += order == MF_ORDER_REPEAT;
	c->late += order == MF_ORDER_LATE;
	c->reused += order == MF_ORDER_REUSED;
}

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void mf_sink_take(struct mf_sink *s, const struct mf_pdu *pdu, const char *peer)
{
	struct mf_verdict verdict = {MF_ORDER_NONE, 0, 0};
	bool is_keepalive = pdu->type == MF_TYPE_KEEPALIVE || pdu->type == MF_TYPE_KEEPALIVE_ACK;
	if (is_keepalive) {
		s->counters.keepalives++;
	} else {
		s->counters.pdus++;
		verdict = mf_sequences_note(s->sequences, pdu);
		count_verdict(&s->counters, verdict.order);
		tell_verdict(s, pdu, &verdict, peer);
	}
	if (pdu->problems.count > 0) {
		s->counters.problems++;
		tell_problems(s, pdu, peer);
	}
	if (is_keepalive && !s->keepalives)
		return;
	if (s->jsonl)
		mf_json_write(s->jsonl, pdu, &verdict, peer);
	if (s->pcapng)
		mf_pcapng_write(s->pcapng, pdu, now_ns());
	if (s->table && !is_keepalive)
		mf_table_write(s->table, pdu, &verdict);
}

void mf_sink_lost_framing(struct mf_sink *s, const struct mf_pdu *pdu, const char *peer)
{
	s->counters.framing++;
	tell_problems(s, pdu, peer);
	fprintf(s->told, "problem: framing of %s is lost, closing\n", peer);
}

void mf_sink_unfinished(struct mf_sink *s, size_t len, const char *peer)
{
	s->counters.unfinished++;
	fprintf(s->told, "unfinished: %s ended %zu octets into a PDU\n", peer, len);
}

int mf_sink_flush(struct mf_sink *s, struct error *error)
{
	FILE *files[] = {s->jsonl, s->pcapng, s->table};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		if (files[i] && (fflush(files[i]) != 0 || ferror(files[i])))
			return error_set(
				error, -EIO, "output cannot be written: %s", strerror(errno));
	return 0;
}

const struct mf_counters *mf_sink_counters(const struct mf_sink *s)
{
	return &s->counters;
}

bool mf_sink_summary(const struct mf_sink *s)
{
	const struct mf_counters *c = &s->counters;
	uint64_t missing = mf_sequences_missing(s->sequences);
	fprintf(s->told,
		"PDUs %" PRIu64 ", keepalives %" PRIu64 ", contexts %zu, joined %" PRIu64
		", gaps %" PRIu64 " (%" PRIu64 " missing), late %" PRIu64 ", repeats %" PRIu64
		", reused %" PRIu64 ", problems %" PRIu64 ", framing lost %" PRIu64
		", unfinished %" PRIu64 "\n",
		c->pdus, c->keepalives, mf_sequences_contexts(s->sequences), c->joined, c->gaps,
		missing, c->late, c->repeats, c->reused, c->problems, c->framing, c->unfinished);
	return missing == 0 && c->reused == 0 && c->problems == 0 && c->framing == 0;
}
