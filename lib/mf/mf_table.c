#include <inttypes.h>
#include <time.h>

#include "mf_messages.h"
#include "mf_output.h"
#include "mf_text.h"

enum { PARTY_WIDTH = 30, START_WIDTH = 38, FORMAT_SIP = 9 };

static const char *const directions[] = {"?    ", "?    ", "to→  ", "from→", "both ", "-    "};

void mf_table_start(FILE *file)
{
	fprintf(file, "%-23s  %-36s  %-5s  %-*s  %-*s  %-*s  %-16s  %s\n", "time", "XID", "way",
		PARTY_WIDTH, "from", PARTY_WIDTH, "to", START_WIDTH, "start line", "correlation",
		"sequence");
}

// Cut to the width with a '~', filled up to it with blanks.
static void put_cell(FILE *file, struct bytes text, size_t width)
{
	for (size_t i = 0; i < width; i++) {
		int c = i < text.len ? text.at[i] : ' ';
		if (i + 1 == width && text.len > width)
			c = '~';
		fputc(c < 0x20 || c > 0x7e ? '?' : c, file);
	}
	fputs("  ", file);
}

static void put_time(FILE *file, const struct mf_pdu *pdu)
{
	time_t seconds = (time_t)(pdu->time_ns / 1000000000);
	struct tm utc;
	char text[64] = "-";
	if (pdu->has_time && gmtime_r(&seconds, &utc)) {
		size_t len = strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &utc);
		snprintf(text + len, sizeof text - len, ".%03u",
			(unsigned)(pdu->time_ns / 1000000 % 1000));
	}
	fprintf(file, "%-23s  ", text);
}

// Who, to whom and what: from the message if it is SIP, else from the attributes.
static void put_payload(FILE *file, const struct mf_pdu *pdu)
{
	if (pdu->format == FORMAT_SIP) {
		struct mf_sip_lines lines = mf_sip_lines(pdu->payload);
		put_cell(file, lines.from, PARTY_WIDTH);
		put_cell(file, lines.to, PARTY_WIDTH);
		put_cell(file, lines.start, START_WIDTH);
		return;
	}
	char source[ADDRESS_TEXT] = "", destination[ADDRESS_TEXT] = "", what[64];
	if (pdu->source.family)
		address_format(&pdu->source, source);
	if (pdu->destination.family)
		address_format(&pdu->destination, destination);
	mf_message_name(pdu, what, sizeof what);
	if (!what[0])
		snprintf(what, sizeof what, "%s, %zu octets", mf_format_name(pdu->format),
			pdu->payload.len);
	put_cell(file, bytes_of_text(source), PARTY_WIDTH);
	put_cell(file, bytes_of_text(destination), PARTY_WIDTH);
	put_cell(file, bytes_of_text(what), START_WIDTH);
}

void mf_table_write(FILE *file, const struct mf_pdu *pdu, const struct mf_verdict *verdict)
{
	char xid[UUID_TEXT];
	uuid_format(&pdu->xid, xid);
	put_time(file, pdu);
	fprintf(file, "%s  ", xid);
	fprintf(file, "%s  ", pdu->direction < 6 ? directions[pdu->direction] : "?    ");
	put_payload(file, pdu);
	fprintf(file, "%016" PRIx64 "  ", pdu->correlation);
	if (pdu->has_sequence)
		fprintf(file, "%" PRIu32, pdu->sequence);
	else
		fputc('-', file);
	if (verdict->order == MF_ORDER_GAP)
		fprintf(file, "  gap of %" PRIu32, verdict->missing);
	else if (verdict->order == MF_ORDER_JOINED)
		fprintf(file, "  joined at %" PRIu32, pdu->sequence);
	else if (verdict->order > MF_ORDER_NEXT)
		fprintf(file, "  %s", mf_order_name(verdict->order));
	fputs(pdu->problems.count ? "  problem\n" : "\n", file);
}
