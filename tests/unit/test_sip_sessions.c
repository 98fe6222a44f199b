#include "unit.h"

#include "sip_sessions.h"

static const uint64_t SECOND = 1000000000, START = 1700000000000000000;
static const uint64_t IDLE = 43200000000000; // 12 h
static const struct digest CALL = {1, 1};
static const struct hash_key KEY = {5, 6};

// One Call-ID under observation.
struct scene {
	struct sip_sessions *sessions;
	uint64_t now;
};

static struct scene scene_of(uint32_t max_sessions, uint32_t max_tasks)
{
	struct scene s = {sip_sessions_new(max_sessions, max_tasks, IDLE), START};
	assert_non_null(s.sessions);
	return s;
}

static struct sip_step request(
	enum sip_method method, uint32_t cseq, uint32_t branch, uint32_t from, uint32_t to)
{
	return (struct sip_step){.call_id = CALL,
		.method = method,
		.cseq = cseq,
		.branch = branch,
		.from_tag = from,
		.to_tag = to};
}

static struct sip_step response(uint16_t status, enum sip_method method, uint32_t cseq,
	uint32_t branch, uint32_t from, uint32_t to)
{
	struct sip_step step = request(method, cseq, branch, from, to);
	step.is_response = true;
	step.status = status;
	return step;
}

// The message that shows the identity: the session begins, or begins anew, with it.
static void shows(struct scene *s, struct sip_step step)
{
	s->now += SECOND / 100;
	uint32_t i = sip_sessions_find(s->sessions, &step.call_id, s->now);
	if (i == SIP_SESSION_NONE)
		i = sip_sessions_open(s->sessions, &step.call_id, s->now);
	sip_session_take(s->sessions, i, &step, s->now);
}

// A message that shows nothing. Whether it belongs to the session.
static bool belongs(struct scene *s, struct sip_step step)
{
	s->now += SECOND / 100;
	uint32_t i = sip_sessions_find(s->sessions, &step.call_id, s->now);
	if (i == SIP_SESSION_NONE || !sip_session_includes(s->sessions, i, &step, s->now))
		return false;
	sip_session_take(s->sessions, i, &step, s->now);
	return true;
}

static bool is_live(struct scene *s)
{
	struct sip_step another = request(SIP_OPTIONS, 999, 999, 1, 0);
	uint32_t i = sip_sessions_find(s->sessions, &CALL, s->now);
	return i != SIP_SESSION_NONE && sip_session_includes(s->sessions, i, &another, s->now);
}

static void a_call_belongs_until_its_bye_is_answered(void **state)
{
	(void)state;
	struct scene s = scene_of(4, 4);
	shows(&s, request(SIP_INVITE, 1, 10, 1, 0));
	assert_true(belongs(&s, response(100, SIP_INVITE, 1, 10, 1, 0)));
	assert_true(belongs(&s, response(180, SIP_INVITE, 1, 10, 1, 2)));
	assert_true(belongs(&s, response(200, SIP_INVITE, 1, 10, 1, 2)));
	assert_true(belongs(&s, request(SIP_ACK, 1, 11, 1, 2)));
	s.now += 3600 * SECOND;
	assert_true(belongs(&s, request(SIP_INFO, 2, 12, 1, 2)));
	assert_true(belongs(&s, response(200, SIP_INFO, 2, 12, 1, 2)));
	assert_true(belongs(&s, request(SIP_INVITE, 1, 13, 2, 1))); // from the other end
	assert_true(belongs(&s, response(488, SIP_INVITE, 1, 13, 2, 1)));
	assert_true(belongs(&s, request(SIP_ACK, 1, 13, 2, 1)));
	assert_true(is_live(&s));
	assert_true(belongs(&s, request(SIP_BYE, 2, 14, 2, 1)));
	assert_true(belongs(&s, response(200, SIP_BYE, 2, 14, 2, 1)));
	assert_false(is_live(&s));
	sip_sessions_free(s.sessions);
}

static void after_the_end_only_repetitions_and_the_ack_belong_and_only_for_a_while(void **state)
{
	(void)state;
	struct scene s = scene_of(4, 4);
	shows(&s, request(SIP_INVITE, 1, 10, 1, 0));
	assert_true(belongs(&s, response(486, SIP_INVITE, 1, 10, 1, 2)));
	assert_true(belongs(&s, request(SIP_ACK, 1, 10, 1, 2)));
	assert_false(belongs(&s, request(SIP_OPTIONS, 2, 11, 1, 0)));
	assert_false(belongs(&s, request(SIP_INVITE, 2, 12, 1, 0)));
	assert_false(belongs(&s, request(SIP_INVITE, 1, 13, 7, 0))); // the other end's CSeq 1
	assert_true(belongs(&s, response(486, SIP_INVITE, 1, 10, 1, 2)));
	assert_true(belongs(&s, request(SIP_ACK, 1, 10, 1, 2)));
	assert_true(belongs(&s, request(SIP_INVITE, 1, 10, 1, 0)));
	assert_true(belongs(&s, request(SIP_CANCEL, 1, 10, 1, 0))); // it crossed the 486
	assert_true(belongs(&s, response(481, SIP_CANCEL, 1, 10, 1, 0)));
	assert_false(is_live(&s));
	s.now += 33 * SECOND;
	assert_false(belongs(&s, request(SIP_ACK, 1, 10, 1, 2)));
	assert_int_equal(sip_sessions_count(s.sessions), 0);
	assert_int_equal(sip_sessions_given_up(s.sessions), 0);
	sip_sessions_free(s.sessions);
}

static void one_branch_of_a_fork_ending_does_not_end_the_others(void **state)
{
	(void)state;
	struct scene s = scene_of(4, 4);
	shows(&s, request(SIP_INVITE, 1, 10, 1, 0));
	assert_true(belongs(&s, request(SIP_INVITE, 1, 20, 1, 0)));
	assert_true(belongs(&s, response(180, SIP_INVITE, 1, 10, 1, 2)));
	assert_true(belongs(&s, response(180, SIP_INVITE, 1, 20, 1, 3)));
	assert_true(belongs(&s, request(SIP_CANCEL, 1, 10, 1, 0)));
	assert_true(belongs(&s, response(200, SIP_CANCEL, 1, 10, 1, 0)));
	assert_true(belongs(&s, response(487, SIP_INVITE, 1, 10, 1, 2)));
	assert_true(belongs(&s, request(SIP_ACK, 1, 10, 1, 2)));
	assert_true(is_live(&s));
	s.now += 120 * SECOND; // it rings
	assert_true(belongs(&s, response(200, SIP_INVITE, 1, 20, 1, 3)));
	assert_true(is_live(&s));
	sip_sessions_free(s.sessions);
}

static void of_two_answered_branches_each_ends_by_its_own_bye(void **state)
{
	(void)state;
	struct scene s = scene_of(4, 4);
	shows(&s, request(SIP_INVITE, 1, 10, 1, 0));
	assert_true(belongs(&s, response(200, SIP_INVITE, 1, 10, 1, 2)));
	assert_true(belongs(&s, response(200, SIP_INVITE, 1, 10, 1, 3)));
	assert_true(belongs(&s, request(SIP_BYE, 2, 11, 1, 3)));
	assert_true(belongs(&s, response(200, SIP_BYE, 2, 11, 1, 3)));
	assert_true(is_live(&s));
	assert_true(belongs(&s, request(SIP_BYE, 1, 12, 2, 1)));
	assert_true(belongs(&s, response(200, SIP_BYE, 1, 12, 2, 1)));
	assert_false(is_live(&s));
	sip_sessions_free(s.sessions);
}

static void a_late_repetition_of_the_answer_does_not_bring_a_call_back(void **state)
{
	(void)state;
	struct scene s = scene_of(4, 4);
	shows(&s, request(SIP_INVITE, 1, 10, 1, 0));
	assert_true(belongs(&s, response(200, SIP_INVITE, 1, 10, 1, 2)));
	assert_true(belongs(&s, request(SIP_BYE, 2, 11, 1, 2)));
	assert_true(belongs(&s, response(200, SIP_BYE, 2, 11, 1, 2)));
	assert_true(belongs(&s, response(200, SIP_INVITE, 1, 10, 1, 2)));
	assert_false(is_live(&s));
	sip_sessions_free(s.sessions);
}

static void a_request_refused_for_now_may_come_again(void **state)
{
	(void)state;
	struct scene s = scene_of(4, 4);
	shows(&s, request(SIP_INVITE, 1, 10, 1, 0));
	assert_true(belongs(&s, response(407, SIP_INVITE, 1, 10, 1, 2)));
	assert_true(belongs(&s, request(SIP_ACK, 1, 10, 1, 2)));
	assert_false(is_live(&s));
	assert_false(belongs(&s, request(SIP_OPTIONS, 2, 11, 1, 0)));
	assert_true(belongs(&s, request(SIP_INVITE, 2, 12, 1, 0)));
	assert_true(is_live(&s));
	assert_true(belongs(&s, response(603, SIP_INVITE, 2, 12, 1, 4)));
	assert_false(is_live(&s));

	// A challenged BYE has not ended the call.
	s.now += 60 * SECOND;
	shows(&s, request(SIP_INVITE, 7, 20, 1, 0));
	assert_true(belongs(&s, response(200, SIP_INVITE, 7, 20, 1, 5)));
	assert_true(belongs(&s, request(SIP_BYE, 8, 21, 1, 5)));
	assert_true(belongs(&s, response(401, SIP_BYE, 8, 21, 1, 5)));
	s.now += 60 * SECOND;
	assert_true(is_live(&s));
	sip_sessions_free(s.sessions);
}

static void what_is_never_answered_ends_by_itself(void **state)
{
	(void)state;
	struct scene s = scene_of(4, 4);
	shows(&s, request(SIP_MESSAGE, 1, 10, 1, 0));
	s.now += 31 * SECOND;
	assert_true(is_live(&s));
	s.now += 2 * SECOND;
	assert_false(is_live(&s));
	assert_true(belongs(&s, response(408, SIP_MESSAGE, 1, 10, 1, 0)));
	s.now += 60 * SECOND;
	assert_false(belongs(&s, response(408, SIP_MESSAGE, 1, 10, 1, 0)));

	shows(&s, request(SIP_INVITE, 1, 20, 1, 0)); // cancelled, and no 487 comes
	s.now += 300 * SECOND;
	assert_true(belongs(&s, request(SIP_CANCEL, 1, 20, 1, 0)));
	assert_true(belongs(&s, response(200, SIP_CANCEL, 1, 20, 1, 0)));
	s.now += 31 * SECOND;
	assert_true(is_live(&s));
	s.now += 34 * SECOND;
	assert_false(is_live(&s));

	s.now += 60 * SECOND;
	shows(&s, request(SIP_INVITE, 1, 30, 1, 0));
	assert_true(belongs(&s, response(200, SIP_INVITE, 1, 30, 1, 2)));
	assert_true(belongs(&s, request(SIP_BYE, 2, 31, 1, 2)));
	s.now += 33 * SECOND;
	assert_false(is_live(&s));
	sip_sessions_free(s.sessions);
}

static void an_invite_that_another_hop_never_answers_ends_with_the_call(void **state)
{
	(void)state;
	struct scene s = scene_of(4, 4);
	shows(&s, request(SIP_INVITE, 1, 10, 1, 0));
	assert_true(belongs(&s, request(SIP_INVITE, 1, 20, 1, 0)));
	assert_true(belongs(&s, response(200, SIP_INVITE, 1, 20, 1, 2))); // that of 10 was lost
	assert_true(belongs(&s, request(SIP_BYE, 2, 21, 1, 2)));
	assert_true(belongs(&s, response(200, SIP_BYE, 2, 21, 1, 2)));
	s.now += 33 * SECOND;
	assert_false(is_live(&s));
	sip_sessions_free(s.sessions);
}

static void a_subscription_lasts_until_it_is_terminated_or_expires(void **state)
{
	(void)state;
	struct scene s = scene_of(4, 4);
	shows(&s, request(SIP_SUBSCRIBE, 1, 10, 1, 0));
	struct sip_step ok = response(200, SIP_SUBSCRIBE, 1, 10, 1, 2);
	ok.has_expires = true;
	ok.expires_s = 600;
	assert_true(belongs(&s, ok));
	s.now += 500 * SECOND;
	assert_true(belongs(&s, request(SIP_NOTIFY, 1, 11, 2, 1))); // 3600 s from now
	assert_true(belongs(&s, response(200, SIP_NOTIFY, 1, 11, 2, 1)));
	s.now += 3500 * SECOND;
	assert_true(is_live(&s));
	struct sip_step last = request(SIP_NOTIFY, 2, 12, 2, 1);
	last.subscription_ends = true;
	assert_true(belongs(&s, last));
	assert_true(belongs(&s, response(200, SIP_NOTIFY, 2, 12, 2, 1)));
	assert_false(is_live(&s));

	s.now += 60 * SECOND;
	shows(&s, request(SIP_REFER, 3, 20, 1, 0));
	assert_true(belongs(&s, response(202, SIP_REFER, 3, 20, 1, 3)));
	assert_true(is_live(&s));
	s.now += 3700 * SECOND;
	assert_false(is_live(&s));

	shows(&s, request(SIP_SUBSCRIBE, 4, 30, 1, 0)); // a NOTIFY may overtake the 200
	last = request(SIP_NOTIFY, 1, 31, 4, 1);
	last.subscription_ends = true;
	assert_true(belongs(&s, last));
	assert_true(belongs(&s, response(200, SIP_NOTIFY, 1, 31, 4, 1)));
	assert_true(belongs(&s, response(200, SIP_SUBSCRIBE, 4, 30, 1, 4)));
	assert_false(is_live(&s));
	sip_sessions_free(s.sessions);
}

static void a_call_that_was_there_before_belongs_from_its_first_known_message_on(void **state)
{
	(void)state;
	struct scene s = scene_of(4, 4);
	shows(&s, request(SIP_INFO, 5, 10, 1, 2));
	assert_true(belongs(&s, response(200, SIP_INFO, 5, 10, 1, 2)));
	assert_true(is_live(&s));
	assert_true(belongs(&s, request(SIP_BYE, 6, 11, 1, 2)));
	assert_true(belongs(&s, response(200, SIP_BYE, 6, 11, 1, 2)));
	assert_false(is_live(&s));
	sip_sessions_free(s.sessions);
}

static void more_open_transactions_than_fit_keep_the_session_only_for_a_while(void **state)
{
	(void)state;
	struct scene s = scene_of(4, 4);
	shows(&s, request(SIP_MESSAGE, 1, 1, 1, 0));
	for (uint32_t cseq = 2; cseq <= 20; cseq++)
		assert_true(belongs(&s, request(SIP_MESSAGE, cseq, cseq, 1, 0)));
	for (uint32_t cseq = 1; cseq <= 20; cseq++)
		assert_true(belongs(&s, response(200, SIP_MESSAGE, cseq, cseq, 1, 0)));
	s.now += 31 * SECOND;
	assert_true(is_live(&s));
	assert_false(belongs(&s, request(SIP_MESSAGE, 21, 21, 5, 0)));
	s.now += 2 * SECOND;
	assert_false(is_live(&s));
	s.now += 33 * SECOND;
	assert_false(belongs(&s, response(200, SIP_MESSAGE, 20, 20, 1, 0)));
	assert_int_equal(sip_sessions_count(s.sessions), 0);
	assert_int_equal(sip_sessions_given_up(s.sessions), 0);
	sip_sessions_free(s.sessions);
}

// A mirror that sees every hop shows each request once for each, with another top Via.
static void a_call_seen_on_many_hops_ends_with_its_bye(void **state)
{
	(void)state;
	struct scene s = scene_of(4, 4);
	enum { HOPS = 12 };
	shows(&s, request(SIP_INVITE, 1, 1, 1, 0));
	for (uint32_t hop = 2; hop <= HOPS; hop++)
		assert_true(belongs(&s, request(SIP_INVITE, 1, hop, 1, 0)));
	for (uint32_t hop = HOPS; hop > 0; hop--)
		assert_true(belongs(&s, response(200, SIP_INVITE, 1, hop, 1, 2)));
	s.now += 3600 * SECOND;
	assert_true(is_live(&s));
	for (uint32_t hop = 1; hop <= HOPS; hop++)
		assert_true(belongs(&s, request(SIP_BYE, 1, 100 + hop, 2, 1)));
	for (uint32_t hop = HOPS; hop > 0; hop--)
		assert_true(belongs(&s, response(200, SIP_BYE, 1, 100 + hop, 2, 1)));
	s.now += 33 * SECOND;
	assert_false(is_live(&s));
	sip_sessions_free(s.sessions);
}

static void a_call_refused_on_many_hops_is_over_at_once(void **state)
{
	(void)state;
	struct scene s = scene_of(4, 4);
	enum { HOPS = 12 };
	shows(&s, request(SIP_INVITE, 1, 1, 1, 0));
	for (uint32_t hop = 2; hop <= HOPS; hop++)
		assert_true(belongs(&s, request(SIP_INVITE, 1, hop, 1, 0)));
	for (uint32_t hop = HOPS; hop > 0; hop--)
		assert_true(belongs(&s, response(486, SIP_INVITE, 1, hop, 1, 2)));
	assert_false(is_live(&s));
	sip_sessions_free(s.sessions);
}

static void an_overflow_does_not_end_a_call_that_goes_on(void **state)
{
	(void)state;
	struct scene s = scene_of(4, 4);
	shows(&s, request(SIP_INVITE, 1, 1, 1, 0));
	assert_true(belongs(&s, response(200, SIP_INVITE, 1, 1, 1, 2)));
	for (uint32_t cseq = 2; cseq <= 20; cseq++)
		assert_true(belongs(&s, request(SIP_INFO, cseq, cseq, 1, 2)));
	s.now += 3600 * SECOND;
	assert_true(belongs(&s, request(SIP_BYE, 21, 21, 1, 2)));
	assert_true(belongs(&s, response(200, SIP_BYE, 21, 21, 1, 2)));
	s.now += 33 * SECOND;
	assert_false(is_live(&s));
	sip_sessions_free(s.sessions);
}

static void what_others_say_under_the_same_call_id_does_not_belong(void **state)
{
	(void)state;
	struct scene s = scene_of(4, 4);
	shows(&s, request(SIP_INVITE, 1, 10, 1, 0));
	assert_false(belongs(&s, request(SIP_MESSAGE, 1, 20, 3, 0)));
	assert_false(belongs(&s, request(SIP_INVITE, 1, 10, 3, 0)));
	assert_false(belongs(&s, request(SIP_INVITE, 1, 10, 0, 0)));
	assert_true(belongs(&s, response(200, SIP_INVITE, 1, 10, 1, 2)));
	assert_false(belongs(&s, request(SIP_MESSAGE, 1, 20, 3, 0)));
	assert_false(belongs(&s, response(200, SIP_MESSAGE, 1, 20, 3, 4)));
	assert_false(belongs(&s, request(SIP_MESSAGE, 1, 20, 0, 0)));
	assert_true(belongs(&s, request(SIP_MESSAGE, 2, 21, 1, 2)));
	assert_true(belongs(&s, request(SIP_MESSAGE, 1, 22, 2, 1)));
	assert_true(belongs(&s, request(SIP_BYE, 3, 23, 1, 2)));
	sip_sessions_free(s.sessions);
}

// RFC 2543: the caller has no tag.
static void without_a_tag_the_branch_tells_what_belongs(void **state)
{
	(void)state;
	struct scene s = scene_of(4, 4);
	shows(&s, request(SIP_INVITE, 1, 10, 0, 0));
	assert_true(belongs(&s, request(SIP_INVITE, 1, 10, 0, 0)));
	assert_false(belongs(&s, request(SIP_INVITE, 1, 20, 0, 0)));
	assert_false(belongs(&s, request(SIP_OPTIONS, 2, 10, 0, 0)));
	assert_true(belongs(&s, request(SIP_CANCEL, 1, 10, 0, 0)));
	assert_true(belongs(&s, response(200, SIP_INVITE, 1, 10, 0, 2)));
	assert_true(belongs(&s, request(SIP_ACK, 1, 11, 0, 2)));
	assert_false(belongs(&s, request(SIP_OPTIONS, 2, 12, 0, 0)));
	assert_true(belongs(&s, request(SIP_BYE, 1, 13, 2, 0)));
	sip_sessions_free(s.sessions);
}

static void time_that_jumps_back_makes_nothing_old(void **state)
{
	(void)state;
	struct scene s = scene_of(4, 4);
	shows(&s, request(SIP_INVITE, 1, 10, 1, 0));
	s.now -= 7200 * SECOND;
	assert_true(belongs(&s, response(180, SIP_INVITE, 1, 10, 1, 2)));
	assert_true(belongs(&s, response(486, SIP_INVITE, 1, 10, 1, 2)));
	s.now -= 7200 * SECOND;
	assert_true(belongs(&s, request(SIP_ACK, 1, 10, 1, 2)));
	assert_int_equal(sip_sessions_given_up(s.sessions), 0);
	sip_sessions_free(s.sessions);
}

static void many_transactions_one_after_the_other_need_no_more_room(void **state)
{
	(void)state;
	struct scene s = scene_of(4, 4);
	for (uint32_t cseq = 1; cseq <= 100; cseq++) {
		shows(&s, request(SIP_REGISTER, cseq, cseq, 1, 0));
		assert_true(is_live(&s));
		assert_true(belongs(&s, response(200, SIP_REGISTER, cseq, cseq, 1, 2)));
		assert_false(is_live(&s));
	}
	sip_sessions_free(s.sessions);
}

static struct sip_step invite_of_call(uint64_t call)
{
	struct sip_step step = request(SIP_INVITE, 1, 10, 1, 0);
	step.call_id = (struct digest){call, call};
	return step;
}

static void the_session_longest_without_a_message_gives_way_and_is_counted(void **state)
{
	(void)state;
	struct scene s = scene_of(3, 3);
	for (uint64_t call = 1; call <= 3; call++)
		shows(&s, invite_of_call(call));
	assert_true(belongs(&s, invite_of_call(1)));
	shows(&s, invite_of_call(4));
	assert_int_equal(sip_sessions_given_up(s.sessions), 1);
	assert_true(belongs(&s, invite_of_call(1)));
	assert_false(belongs(&s, invite_of_call(2)));
	assert_true(belongs(&s, invite_of_call(3)));
	assert_true(belongs(&s, invite_of_call(4)));
	assert_int_equal(sip_sessions_count(s.sessions), 3);
	sip_sessions_free(s.sessions);
}

static void sessions_that_are_over_make_room_without_being_given_up(void **state)
{
	(void)state;
	struct scene s = scene_of(3, 3);
	for (uint64_t call = 1; call <= 30; call++) {
		struct sip_step busy = invite_of_call(call);
		shows(&s, busy);
		busy.is_response = true;
		busy.status = 486;
		assert_true(belongs(&s, busy));
		s.now += 33 * SECOND;
	}
	assert_int_equal(sip_sessions_given_up(s.sessions), 0);
	sip_sessions_free(s.sessions);
}

static size_t task_count(struct scene *s, uint32_t session)
{
	size_t count = 0;
	for (uint32_t *link = sip_session_tasks(s->sessions, session); *link != SIP_SESSION_NONE;
		link = &sip_session_task(s->sessions, *link)->next)
		count++;
	return count;
}

static void a_session_has_any_number_of_tasks_and_others_give_way_for_them(void **state)
{
	(void)state;
	struct scene s = scene_of(4, 10);
	struct sip_session_task task = {.slot = 1, .generation = 1};
	for (uint64_t call = 1; call <= 3; call++) {
		shows(&s, invite_of_call(call));
		uint32_t i = sip_sessions_find(s.sessions, &(struct digest){call, call}, s.now);
		assert_true(sip_session_add_task(s.sessions, i, &task));
		assert_true(sip_session_add_task(s.sessions, i, &task));
	}
	shows(&s, invite_of_call(4));
	uint32_t last = sip_sessions_find(s.sessions, &(struct digest){4, 4}, s.now);
	for (unsigned i = 0; i < 10; i++) {
		task.slot = i;
		assert_true(sip_session_add_task(s.sessions, last, &task));
	}
	assert_int_equal(sip_sessions_given_up(s.sessions), 3);
	assert_false(sip_session_add_task(s.sessions, last, &task));
	assert_int_equal(task_count(&s, last), 10);

	uint32_t *link = sip_session_tasks(s.sessions, last);
	while (*link != SIP_SESSION_NONE) { // the odd ones go
		struct sip_session_task *t = sip_session_task(s.sessions, *link);
		if (t->slot % 2)
			sip_session_drop_task(s.sessions, link);
		else
			link = &t->next;
	}
	assert_int_equal(task_count(&s, last), 5);
	assert_true(sip_session_add_task(s.sessions, last, &task));
	sip_session_drop_all_tasks(s.sessions, last);
	assert_int_equal(task_count(&s, last), 0);
	sip_sessions_close(s.sessions, last);
	assert_int_equal(sip_sessions_count(s.sessions), 0);
	sip_sessions_free(s.sessions);
}

static uint32_t next_random(uint64_t *random, uint32_t below)
{
	*random = *random * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)((*random >> 33) % below);
}

// Whatever comes, and whenever it says it came: no task is lost from the pool, no table overfull.
static void random_messages_at_random_times_break_nothing(void **state)
{
	(void)state;
	static const uint16_t statuses[] = {
		0, 100, 180, 200, 202, 302, 401, 407, 481, 486, 487, 699, 65535};
	enum { SESSIONS = 7, TASKS = 12, STEPS = 30000 };
	struct scene s = scene_of(SESSIONS, TASKS);
	uint64_t random = 7;
	for (unsigned n = 0; n < STEPS; n++) {
		struct sip_step step = invite_of_call(next_random(&random, 12));
		step.method = (enum sip_method)next_random(&random, SIP_UPDATE + 1);
		step.cseq = next_random(&random, 4);
		step.branch = next_random(&random, 4);
		step.from_tag = next_random(&random, 3);
		step.to_tag = next_random(&random, 3);
		step.is_response = next_random(&random, 2);
		step.status = statuses[next_random(&random, sizeof statuses / sizeof *statuses)];
		step.subscription_ends = next_random(&random, 2);
		step.has_expires = next_random(&random, 2);
		step.expires_s = next_random(&random, 4) ? next_random(&random, 100) : UINT32_MAX;
		switch (next_random(&random, 20)) {
		case 0:
			s.now = next_random(&random, 3) ? START : 0;
			break;
		case 1:
			s.now = UINT64_MAX - next_random(&random, 2) * SECOND * 10;
			break;
		default:
			if (s.now < UINT64_MAX - 40 * SECOND)
				s.now += next_random(&random, 40) * SECOND;
		}
		uint32_t i = sip_sessions_find(s.sessions, &step.call_id, s.now);
		if (i == SIP_SESSION_NONE)
			i = sip_sessions_open(s.sessions, &step.call_id, s.now);
		else if (next_random(&random, 8) == 0)
			sip_session_drop_all_tasks(s.sessions, i);
		sip_session_includes(s.sessions, i, &step, s.now);
		sip_session_take(s.sessions, i, &step, s.now);
		struct sip_session_task task = {.slot = n};
		size_t before = task_count(&s, i);
		assert_int_equal(task_count(&s, i) - before, 0);
		bool added = sip_session_add_task(s.sessions, i, &task);
		assert_int_equal(task_count(&s, i), before + added);
		assert_true(added || before == TASKS);
		assert_in_range(sip_sessions_count(s.sessions), 1, SESSIONS);
	}
	sip_sessions_free(s.sessions);
}

static struct sip_step step_of_text(const char *text)
{
	struct sip_message m;
	assert_int_equal(sip_parse(bytes_of_text(text), &m), PARSE_OK);
	return sip_step_of(&KEY, &m);
}

static void a_step_tells_messages_apart_by_what_names_them(void **state)
{
	(void)state;
#define REST "Call-ID: a@example.com\r\nContent-Length: 0\r\n\r\n"
	struct sip_step invite = step_of_text(
		"INVITE sip:bob@example.net SIP/2.0\r\n"
		"Via: SIP/2.0/UDP 192.0.2.1:5060 ;rport ; branch = z9hG4bKa, SIP/2.0/UDP b;branch=z\r\n"
		"From: \"x;tag=9\" <sip:alice@example.com;tag=8>;tag=f1\r\n"
		"To: <sip:bob@example.net>\r\nCSeq: 7 INVITE\r\n" REST);
	struct sip_step ok = step_of_text(
		"SIP/2.0 200 OK\r\nv: SIP/2.0/TCP [2001:db8::1];branch=z9hG4bKa\r\n"
		"f: sip:alice@example.com;tag=f1\r\nt: <sip:bob@example.net>;tag=f1\r\n"
		"CSeq: 7 INVITE\r\n" REST);
	assert_memory_equal(&invite.call_id, &ok.call_id, sizeof ok.call_id);
	assert_false(invite.is_response);
	assert_true(ok.is_response);
	assert_int_equal(ok.status, 200);
	assert_int_equal(ok.method, SIP_INVITE);
	assert_int_equal(invite.cseq, 7);
	assert_int_not_equal(invite.branch, 0);
	assert_int_equal(invite.branch, ok.branch);
	assert_int_not_equal(invite.from_tag, 0);
	assert_int_equal(invite.from_tag, ok.from_tag);
	assert_int_equal(invite.to_tag, 0);
	assert_int_equal(ok.to_tag, ok.from_tag);

	struct sip_step notify = step_of_text(
		"NOTIFY sip:bob@example.net SIP/2.0\r\nFrom: <sip:a@example.com>\r\nCSeq: 1 NOTIFY\r\n"
		"Subscription-State: Terminated ;reason=timeout\r\nExpires: 5\r\n\r\n");
	assert_true(notify.subscription_ends);
	assert_int_equal(notify.expires_s, 5);
	assert_int_equal(notify.branch, 0);
	notify = step_of_text(
		"NOTIFY sip:bob@example.net SIP/2.0\r\nFrom: <sip:a@example.com>\r\nCSeq: 1 NOTIFY\r\n"
		"Subscription-State: active;expires=99999999999\r\n\r\n");
	assert_false(notify.subscription_ends);
	assert_true(notify.has_expires);
	assert_int_equal(notify.expires_s, UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_belongs_until_its_bye_is_answered),
		cmocka_unit_test(
			after_the_end_only_repetitions_and_the_ack_belong_and_only_for_a_while),
		cmocka_unit_test(one_branch_of_a_fork_ending_does_not_end_the_others),
		cmocka_unit_test(of_two_answered_branches_each_ends_by_its_own_bye),
		cmocka_unit_test(a_late_repetition_of_the_answer_does_not_bring_a_call_back),
		cmocka_unit_test(a_request_refused_for_now_may_come_again),
		cmocka_unit_test(what_is_never_answered_ends_by_itself),
		cmocka_unit_test(an_invite_that_another_hop_never_answers_ends_with_the_call),
		cmocka_unit_test(a_subscription_lasts_until_it_is_terminated_or_expires),
		cmocka_unit_test(
			a_call_that_was_there_before_belongs_from_its_first_known_message_on),
		cmocka_unit_test(more_open_transactions_than_fit_keep_the_session_only_for_a_while),
		cmocka_unit_test(a_call_seen_on_many_hops_ends_with_its_bye),
		cmocka_unit_test(a_call_refused_on_many_hops_is_over_at_once),
		cmocka_unit_test(an_overflow_does_not_end_a_call_that_goes_on),
		cmocka_unit_test(what_others_say_under_the_same_call_id_does_not_belong),
		cmocka_unit_test(without_a_tag_the_branch_tells_what_belongs),
		cmocka_unit_test(time_that_jumps_back_makes_nothing_old),
		cmocka_unit_test(many_transactions_one_after_the_other_need_no_more_room),
		cmocka_unit_test(the_session_longest_without_a_message_gives_way_and_is_counted),
		cmocka_unit_test(sessions_that_are_over_make_room_without_being_given_up),
		cmocka_unit_test(a_session_has_any_number_of_tasks_and_others_give_way_for_them),
		cmocka_unit_test(random_messages_at_random_times_break_nothing),
		cmocka_unit_test(a_step_tells_messages_apart_by_what_names_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
