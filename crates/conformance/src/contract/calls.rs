//! Calls.

use super::{
    cases,
    fixture::{ALL, Fixture, RACE, chatbot, count, everything, granted, hub, once, page, scope_of},
};
use auth_core::{
    model::{Call, CallStatus, Channel, NewCall, Usage},
    policy::Scope,
    port::{CancelCall, Change, Creation, StartCall},
    principal::Tenant,
    time::Timestamp,
};
use std::time::Duration;

cases! {
    "calls":
    one_opening_reads_what_another_made,
    a_scope_holds_its_own_account_alone,
    lists_are_newest_first_and_pages_neither_repeat_nor_leave_out,
    a_call_is_cancelled_once,
    usage_counts_calls_by_month_and_channel,
    a_call_that_was_made_stays_billed_and_one_cancelled_before_its_time_is_free,
    a_repeated_request_is_answered_as_the_first_for_a_day,
    one_request_sent_many_times_makes_one_call,
    of_many_cancellations_one_cancels,
}

async fn start(fixture: &Fixture, tenant: Tenant, new: NewCall) -> Call {
    let id = new.id;
    let made = fixture.stores.calls.start(&granted::<StartCall>(&tenant), new, None).await.unwrap();
    assert_eq!(made, Creation::Done(()));
    fixture.stores.calls.read(everything(), id).await.unwrap().unwrap()
}

async fn one_opening_reads_what_another_made(fixture: &Fixture) {
    let account = fixture.account().await;
    fixture.look_away().await;
    let now = fixture.new_call(Channel::Phone);
    let later = NewCall { scheduled_time: Some(Timestamp::MAX), ..fixture.new_call(Channel::Sms) };
    for (order, status) in [(now, CallStatus::Initiated), (later, CallStatus::Scheduled)] {
        let made = start(fixture, hub(&account), order.clone()).await;
        assert_eq!(fixture.told().await, ["call.started"]);
        assert_eq!(made, Call { id: order.id, account: account.id, status, cancelled_at: None, order });
        assert_eq!(fixture.peer.calls.read(everything(), made.id).await.unwrap(), Some(made));
    }
}

async fn a_scope_holds_its_own_account_alone(fixture: &Fixture) {
    let (own, other) = (fixture.account().await, fixture.account().await);
    let domain = fixture.domain(&own).await;
    let mine = start(fixture, hub(&own), fixture.new_call(Channel::Sms)).await;
    let foreign = start(fixture, hub(&other), fixture.new_call(Channel::Sms)).await;
    let calls = &fixture.stores.calls;
    for (scope, seen) in [
        (scope_of(hub(&own)), vec![mine.clone()]),
        (scope_of(hub(&other)), vec![foreign.clone()]),
        (scope_of(chatbot(&domain)), vec![]),
        (Scope::of(None), vec![]),
    ] {
        assert_eq!(calls.list(scope, ALL).await.unwrap(), seen);
        let used = calls.usage(scope, Timestamp::EPOCH, Timestamp::MAX).await.unwrap();
        assert_eq!(used.iter().map(|usage| usage.calls).sum::<u64>(), seen.len() as u64);
        for call in [&mine, &foreign] {
            let wanted = seen.contains(call).then(|| call.clone());
            assert_eq!(calls.read(scope, call.id).await.unwrap(), wanted);
        }
    }
}

async fn lists_are_newest_first_and_pages_neither_repeat_nor_leave_out(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    let mut made = Vec::new();
    for _ in 0..7 {
        made.insert(0, start(fixture, tenant, fixture.new_call(Channel::Sms)).await);
    }
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let part = fixture.peer.calls.list(scope_of(tenant), page(3, before)).await.unwrap();
        assert!(part.len() <= 3);
        let Some(last) = part.last() else { break };
        before = Some(*last.id.as_bytes());
        paged.extend(part);
    }
    assert_eq!(paged, made);
}

async fn a_call_is_cancelled_once(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    let call = start(fixture, tenant, fixture.new_call(Channel::Phone)).await;
    let other = start(fixture, tenant, fixture.new_call(Channel::Phone)).await;
    fixture.look_away().await;
    let grant = granted::<CancelCall>(&call);
    let at = fixture.at();
    let cancelled = Call { status: CallStatus::Cancelled, cancelled_at: Some(at), ..call.clone() };
    let done = fixture.stores.calls.cancel(&grant, at).await.unwrap();
    assert_eq!(done, Change::Done(cancelled.clone()));
    assert_eq!(fixture.told().await, ["call.cancelled"]);
    assert_eq!(fixture.peer.calls.cancel(&grant, fixture.at()).await.unwrap(), Change::Stale);
    fixture.assert_silent("it was cancelled already").await;
    assert_eq!(fixture.peer.calls.list(scope_of(tenant), ALL).await.unwrap(), [other, cancelled]);
}

async fn usage_counts_calls_by_month_and_channel(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let mut last = None;
    for (time, channel) in [
        ("2026-01-31T23:59:59.999Z", Channel::Sms),
        ("2026-02-01T00:00:00Z", Channel::Sms),
        ("2026-02-10T00:00:00Z", Channel::Sms),
        ("2026-02-10T00:00:00Z", Channel::Phone),
        ("2026-02-28T23:59:59.999Z", Channel::Phone),
        ("2026-03-01T00:00:00Z", Channel::Phone),
    ] {
        let order = NewCall { at: at(time), ..fixture.new_call(channel) };
        last = Some(start(fixture, tenant, order).await);
    }
    let usage = async |from: &str, to: &str| {
        let used = fixture.peer.calls.usage(scope_of(tenant), at(from), at(to)).await.unwrap();
        let text = |usage: &Usage| format!("{} {} {}", usage.month, usage.channel.name(), usage.calls);
        let mut lines: Vec<_> = used.iter().map(text).collect();
        lines.sort_unstable();
        lines
    };
    let february = ["2026-02 phone 2", "2026-02 sms 2"];
    assert_eq!(usage("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z").await, february);
    assert_eq!(usage("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z").await, ["2026-01 sms 1"]);
    assert_eq!(usage("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z").await, ["2026-03 phone 1"]);
    let cancel = granted::<CancelCall>(&last.unwrap());
    fixture.stores.calls.cancel(&cancel, fixture.at()).await.unwrap();
    let march = usage("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z").await;
    assert_eq!(march, ["2026-03 phone 1"], "it was made at once");
}

async fn a_call_that_was_made_stays_billed_and_one_cancelled_before_its_time_is_free(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    let hour = Duration::from_secs(3600);
    let scheduled = fixture.pass(hour) + hour;
    let order =
        |fixture: &Fixture| NewCall { scheduled_time: Some(scheduled), ..fixture.new_call(Channel::Phone) };
    let (before, on_time, kept) = (
        start(fixture, tenant, order(fixture)).await,
        start(fixture, tenant, order(fixture)).await,
        start(fixture, tenant, order(fixture)).await,
    );
    let used = async |from, to| {
        let used = fixture.peer.calls.usage(scope_of(tenant), from, to).await.unwrap();
        used.iter().map(|usage| usage.calls).sum::<u64>()
    };
    assert_eq!(used(Timestamp::EPOCH, scheduled).await, 0, "none is made yet");
    assert_eq!(used(scheduled, Timestamp::MAX).await, 3);
    let cancel = async |call: &Call, at| {
        let done = fixture.stores.calls.cancel(&granted::<CancelCall>(call), at).await.unwrap();
        assert!(matches!(done, Change::Done(call) if call.cancelled_at == Some(at)));
    };
    cancel(&before, Timestamp::from_millis(scheduled.millis() - 1)).await;
    assert_eq!(used(Timestamp::EPOCH, Timestamp::MAX).await, 2);
    cancel(&on_time, scheduled).await;
    cancel(&kept, scheduled + hour).await;
    assert_eq!(used(Timestamp::EPOCH, Timestamp::MAX).await, 2, "what was made stays billed");
}

async fn a_repeated_request_is_answered_as_the_first_for_a_day(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    fixture.look_away().await;
    let grant = granted::<StartCall>(&tenant);
    let ask = async |body: &str, answer: &str| {
        let (new, once) = (fixture.new_call(Channel::Sms), once("request", body, answer));
        fixture.peer.calls.start(&grant, new, Some(once)).await.unwrap()
    };
    assert_eq!(ask("a", "first").await, Creation::Done(()));
    assert_eq!(fixture.told().await, ["call.started"]);
    assert_eq!(ask("a", "second").await, Creation::Repeated("first".to_owned()));
    assert_eq!(ask("b", "third").await, Creation::Mismatched);
    fixture.assert_silent("a repeated request").await;
    assert_eq!(fixture.stores.calls.list(scope_of(tenant), ALL).await.unwrap().len(), 1);
    fixture.pass(Duration::from_secs(24 * 3600));
    assert_eq!(ask("b", "fourth").await, Creation::Done(()), "forgotten after a day");
}

async fn one_request_sent_many_times_makes_one_call(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    fixture.look_away().await;
    let answers = fixture
        .race(RACE, |_, stores| {
            let (grant, new) = (granted::<StartCall>(&tenant), fixture.new_call(Channel::Phone));
            let once = once("request", "body", &new.id.to_string());
            async move { stores.calls.start(&grant, new, Some(once)).await.unwrap() }
        })
        .await;
    let made = fixture.peer.calls.list(scope_of(tenant), ALL).await.unwrap();
    assert_eq!(made.len(), 1);
    assert_eq!(count(&answers, &Creation::Done(())), 1);
    assert_eq!(count(&answers, &Creation::Repeated(made[0].id.to_string())), RACE - 1);
    assert_eq!(fixture.told().await, ["call.started"]);
}

async fn of_many_cancellations_one_cancels(fixture: &Fixture) {
    let call = start(fixture, hub(&fixture.account().await), fixture.new_call(Channel::Phone)).await;
    fixture.look_away().await;
    let at = fixture.at();
    let answers = fixture
        .race(RACE, |_, stores| {
            let grant = granted::<CancelCall>(&call);
            async move { stores.calls.cancel(&grant, at).await.unwrap() }
        })
        .await;
    assert_eq!(count(&answers, &Change::Stale), RACE - 1);
    assert_eq!(fixture.told().await, ["call.cancelled"]);
}
