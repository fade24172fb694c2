// Times as people read them, in their own zone.

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const PRECISE = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const LONG_DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });

export const clock = (at) => CLOCK.format(new Date(at));
export const precise = (at) => PRECISE.format(new Date(at));
export const ofStamp = (ts) => Number(ts) * 1000;

function day(at, pretty) {
  const date = new Date(at);
  const today = new Date();
  if (pretty && date.toDateString() === today.toDateString()) return "today";
  return DAY.format(date);
}

// Slack's date formats: {date_short_pretty} and the like.
const FIELDS = {
  date: (at) => LONG_DAY.format(at),
  date_num: (at) => new Date(at).toISOString().slice(0, 10),
  date_short: (at) => day(at, false),
  date_long: (at) => LONG_DAY.format(at),
  date_pretty: (at) => day(at, true),
  date_short_pretty: (at) => day(at, true),
  date_long_pretty: (at) => day(at, true),
  time: (at) => CLOCK.format(at),
  time_secs: (at) => PRECISE.format(at),
};

export function slackDate(seconds, format, fallback) {
  const at = Number(seconds) * 1000;
  if (!Number.isFinite(at)) return fallback;
  return format.replace(/\{([a-z_]+)\}/g, (whole, name) => (FIELDS[name] ? FIELDS[name](at) : whole));
}
