// Any octets as a stream of X2 PDUs: what is read lies inside of it, problems have texts, and JSON, table and pcapng can be
// written of it.
#include "fuzz.h"
#include "mf_output.h"

static void check_views(const struct mf_pdu *pdu, struct bytes stream)
{
	FUZZ_CHECK(fuzz_lies_in(pdu->octets, stream));
	FUZZ_CHECK(fuzz_lies_in(pdu->attributes, pdu->octets));
	FUZZ_CHECK(fuzz_lies_in(pdu->payload, pdu->octets));
	FUZZ_CHECK(fuzz_lies_in(pdu->did, pdu->attributes));
	FUZZ_CHECK(fuzz_lies_in(pdu->nfid, pdu->attributes));
	FUZZ_CHECK(fuzz_lies_in(pdu->ipid, pdu->attributes));
	FUZZ_CHECK(pdu->octets.len == MF_PDU_MIN + pdu->attributes.len + pdu->payload.len);
	struct bytes value;
	for (size_t at = 0, before = 0; mf_pdu_next(pdu, MF_MATCHED_IDENTIFIER, &at, &value);) {
		FUZZ_CHECK(at > before && at <= pdu->attributes.len);
		FUZZ_CHECK(fuzz_lies_in(value, pdu->attributes));
		before = at;
	}
}

static void check_texts(const struct mf_problems *problems)
{
	for (size_t i = 0; i < problems->count && i < MF_PROBLEMS_MAX; i++)
		FUZZ_CHECK(
			memchr(problems->text[i], '\0', MF_PROBLEM_TEXT) && problems->text[i][0]);
}

static void write_all(const struct mf_pdu *pdu)
{
	char *text = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);
	FUZZ_CHECK(file);
	struct mf_verdict verdict = {MF_ORDER_GAP, 1, 2};
	mf_json_write(file, pdu, &verdict, NULL);
	mf_table_write(file, pdu, &verdict);
	mf_pcapng_write(file, pdu, 0);
	fclose(file);
	FUZZ_CHECK(len > pdu->octets.len);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes stream = bytes_of(data, size);
	while (stream.len > 0) {
		struct mf_pdu pdu = {0};
		size_t needed = 0;
		enum parse_result result = mf_pdu_decode(stream, &pdu, &needed);
		if (result == PARSE_TRUNCATED)
			FUZZ_CHECK(needed > stream.len && needed <= MF_PDU_MAX);
		check_texts(&pdu.problems);
		if (result == PARSE_MALFORMED)
			FUZZ_CHECK(pdu.problems.count > 0);
		if (result != PARSE_OK)
			break;
		FUZZ_CHECK(pdu.octets.len == needed);
		check_views(&pdu, stream);
		write_all(&pdu);
		stream = bytes_slice(stream, needed, SIZE_MAX);
	}
	return 0;
}
