// Six scenes. Each step has an instruction, can do it for the visitor, and detects in the live state when it is done.
import { callTool, choose, enter, press, pressOnCard, type } from "./hands.js";

const OPS = "C0OPS";
const APPROVALS = "C0APPROVALS";
const ALICE = "U0ALICE";
const BOB = "U0BOB";
const DAVE = "U0DAVE";

const inOps = { user: ALICE, channel: OPS };
const atAgent = { panel: "agent" };
const NEW = { plan: "vps-4gb-2cpu", region: "oslo", os_template: "ubuntu-24.04" };

const held = (change) => change?.state === "held";
const ended = (change, state) => change?.state === state;
const events = (change) => (change?.trail ?? []).map((one) => one.event);
const says = (message, words) => JSON.stringify([message.blocks, message.text]).includes(words);
const offers = (message, action) => JSON.stringify(message.blocks ?? []).includes(`"${action}"`);

const over = (change) => ["succeeded", "failed", "denied", "cancelled", "expired", "superseded", "needs_person"].includes(change?.state);
const ENDS = { succeeded: "was done", failed: "failed", denied: "was denied", cancelled: "was cancelled", expired: "expired", superseded: "was out of date", needs_person: "needs a person" };
const endedOtherwise = (change, wanted) => over(change) && change.state !== wanted && { why: `The ${change.operation} of ${change.hostname} ${ENDS[change.state]}.` };
const givenUp = (call) => call?.state === "cancelled" && { why: "The assistant's call was given up." };

const command = {
  id: "command",
  title: "The first command",
  about: "Ask in Slack, and be answered in private within a blink. Reads change nothing, so they need no one's yes.",
  needs: [],
  steps: [
    {
      say: "As Alice, in #ops, type /vps list and press Enter.",
      where: inOps,
      act: () => type("/vps list"),
      done: (look) => look.mine(OPS).some((one) => says(one, "web01.example.com") && says(one, "servers")),
    },
    {
      say: "Open ⋯ beside web01 in the answer and choose Status.",
      where: inOps,
      act: async () => {
        const rows = [...document.querySelectorAll(".messages .section")];
        rows.findLast((one) => one.textContent.includes("web01.example.com")).querySelector("[aria-haspopup=menu]").click();
        await press("[role=menuitem][data-value^='status']");
      },
      done: (look) => look.mine(OPS).some((one) => says(one, "usage") && says(one, "Uptime")),
    },
  ],
  astray: (look) => (look.shared(OPS).some((one) => one.user !== ALICE) || look.effects().length > 0) && { why: "A change was asked for, and this scene is about reading." },
  checked: "The answers were for Alice alone, and the provider received no change.",
  proof: (look) => look.effects().length === 0 && look.shared(OPS).length === 0,
};

const confirmation = {
  id: "confirmation",
  title: "A change waits for your yes",
  about: "A reboot interrupts people, so nothing is sent before the one who asked has seen what will happen and to what.",
  needs: ["web01.example.com"],
  steps: [
    {
      say: "As Alice, in #ops, type /vps reboot web01 because kernel update.",
      where: inOps,
      act: () => type("/vps reboot web01 because kernel update"),
      done: (look) => held(look.change("reboot")) && look.shared(OPS).some((one) => offers(one, "vps:confirm")),
    },
    {
      say: "Read the card, then press Reboot web01.example.com on it.",
      where: inOps,
      act: () => pressOnCard("vps:confirm"),
      done: (look) => events(look.change("reboot")).includes("confirmed"),
    },
    {
      say: "Watch the same card until the server is back. Truth, beside it, shows every step as it is stored.",
      where: { ...inOps, panel: "truth", front: "chat" },
      done: (look) => ended(look.change("reboot"), "succeeded") && !look.shared(OPS).some((one) => offers(one, "vps:confirm")),
    },
  ],
  astray: (look, step) => endedOtherwise(look.change("reboot"), "succeeded") || (step === 0 && over(look.change("reboot")) && { why: "The reboot is over." }),
  checked: "One reboot reached the provider, after the confirmation, and the buttons are gone.",
  proof: (look) => look.effects("reboot", "web01.example.com") === 1 && look.chainWhole(),
};

const approval = {
  id: "approval",
  title: "An agent asks, a person decides",
  about: "An agent has no way to approve, and the human behind it must not: somebody else has to say yes in Slack.",
  needs: ["db01.example.com"],
  steps: [
    {
      say: "In Agent, call vps_stop for db01 with a reason.",
      where: { user: ALICE, ...atAgent },
      act: () => callTool("vps_stop", { server: "db01", reason: "saves cost at night" }),
      done: (look) => held(look.change("stop")) && look.call("vps_stop")?.state === "running",
    },
    {
      say: "The call waits, and a card stands in #approvals. As Alice, whose agent it is, press Approve.",
      where: { user: ALICE, channel: APPROVALS },
      act: () => pressOnCard("vps:approve"),
      done: (look) => look.mine(APPROVALS, ALICE).some((one) => says(one, "others must decide")) && held(look.change("stop")),
    },
    { say: "Refused. Become Bob, the second approver.", where: {}, act: () => press(`[data-person="${BOB}"]`), done: (look) => look.user === BOB },
    {
      say: "As Bob, press Approve.",
      where: { user: BOB, channel: APPROVALS },
      act: () => pressOnCard("vps:approve"),
      done: (look) => look.change("stop")?.votes.some((one) => one.who === "bob" && one.verdict === "approve"),
    },
    {
      say: "See the agent's call return.",
      where: atAgent,
      done: (look) => ended(look.change("stop"), "succeeded") && look.call("vps_stop")?.state === "done",
    },
  ],
  astray: (look, step) => {
    const stop = look.change("stop");
    if (step < 4 && ended(stop, "succeeded")) return { why: "Bob approved before Alice had tried: the stop is done.", step: 4 };
    return endedOtherwise(stop, "succeeded") || (step < 4 && givenUp(look.call("vps_stop")));
  },
  checked: "One vote, Bob's, with the evidence of his right to it; one stop at the provider; the agent got the result.",
  proof: (look) => look.change("stop").votes.length === 1 && look.effects("stop", "db01.example.com") === 1 && look.chainWhole(),
};

const provisioning = {
  id: "provisioning",
  title: "A new server, from form to notice",
  about: "Plans and prices are the provider's own, read live. The channel hears when the server is ready.",
  needs: [],
  steps: [
    {
      say: (look) => `As Alice, in #ops, type /vps create ${look.fresh}.`,
      where: inOps,
      act: (look) => type(`/vps create ${look.fresh}`),
      done: (look) => look.modal()?.callback_id === "vps:create",
    },
    {
      say: "Choose a plan, a region and a system. The form shows the price, so its button, Create server, is your yes.",
      where: {},
      act: async () => {
        for (const [name, value] of Object.entries(NEW)) await choose(`.sheet [data-action="${name}"]`, value);
        await press('.sheet [data-submit="vps:create"]');
      },
      done: (look) => events(look.change("create")).includes("confirmed"),
    },
    {
      say: "Close the form.",
      where: inOps,
      act: () => press(".sheet form:not([hidden]) .foot button"),
      done: (look) => !look.modal(),
    },
    {
      say: "Wait for the notice: the server is ready, with its address.",
      where: { ...inOps, panel: "provider", front: "chat" },
      done: (look) => ended(look.change("create"), "succeeded") && look.shared(OPS).some((one) => says(one, `${look.fresh} is ready`)),
    },
  ],
  astray: (look, step) => {
    const made = look.change("create");
    if (made && made.hostname !== look.fresh) return { why: `Another name was asked for: ${made.hostname}.` };
    if (step === 1 && !made && !look.modal()) return { why: "The form was closed, and nothing was asked for.", step: 0 };
    return endedOtherwise(made, "succeeded");
  },
  checked: "One server was made, at the price that was shown.",
  proof: (look) => look.effects("create", look.fresh) === 1 && look.change("create").cost !== "",
};

const failure = {
  id: "failure",
  title: "The provider fails in mid-create",
  about: "The server is made, and the answer is lost on its way. The API has no idempotency keys: asking again would make two.",
  needs: [],
  steps: [
    {
      say: "In Provider, press: The next create takes effect, and its answer is lost.",
      where: { user: ALICE, panel: "provider" },
      act: () => press('[data-trouble="drop_create"]'),
      done: (look) => look.board().armed.some((one) => !one.spent),
    },
    {
      say: (look) => `In Agent, call vps_create for ${look.fresh}: plan ${NEW.plan}, region ${NEW.region}, system ${NEW.os_template}.`,
      where: atAgent,
      act: (look) => callTool("vps_create", { hostname: look.fresh, ...NEW, reason: "more room" }),
      done: (look) => look.call("vps_create")?.state === "asks",
    },
    {
      say: "The server asks the agent's human, which is you. Tick the box and send the answer.",
      where: atAgent,
      act: async (look) => {
        await press(`#answer-${look.call("vps_create").number}-confirm`);
        await press(`[data-form="answer-${look.call("vps_create").number}"] button[type=submit]`);
      },
      done: (look) => events(look.change("create")).includes("confirmed"),
    },
    {
      say: "No clear answer came. See in Truth how it is looked up, never repeated, and found.",
      where: { panel: "truth" },
      done: (look) => ended(look.change("create"), "succeeded") && look.call("vps_create")?.state === "done",
    },
  ],
  astray: (look, step) => {
    const made = look.change("create");
    if (step === 0 && (made || look.call("vps_create"))) return { why: "The create was called before its answer was set to be lost." };
    if (made && made.hostname !== look.fresh) return { why: `Another name was asked for: ${made.hostname}.` };
    if (step > 0 && step < 3 && !made && look.board().armed.length === 0) return { why: "Nothing is set to go wrong any more.", step: 0 };
    return endedOtherwise(made, "succeeded") || givenUp(look.call("vps_create")) || (step === 2 && look.call("vps_create")?.state === "failed" && { why: "The question was declined, so that nothing was sent." });
  },
  checked: "The outcome was unknown for a moment, and there is exactly one new server.",
  proof: (look) => look.effects("create", look.fresh) === 1 && look.change("create").trail.some((one) => one.body.state === "unknown"),
};

const outsider = {
  id: "outsider",
  title: "An outsider is refused",
  about: "Who may decide is read from Slack at the click. A guest sees the same button, and it does nothing for him.",
  needs: ["web01.example.com"],
  steps: [
    {
      say: "In Agent, call vps_reboot for web01.",
      where: { user: ALICE, ...atAgent },
      act: () => callTool("vps_reboot", { server: "web01", reason: "it feels slow" }),
      done: (look) => held(look.change("reboot")),
    },
    { say: "Become Dave, the outsider.", where: {}, act: () => press(`[data-person="${DAVE}"]`), done: (look) => look.user === DAVE },
    {
      say: "As Dave, in #approvals, press Approve.",
      where: { user: DAVE, channel: APPROVALS },
      act: () => pressOnCard("vps:approve"),
      done: (look) => look.mine(APPROVALS, DAVE).length > 0 && held(look.change("reboot")),
    },
    {
      say: "As Dave, in #ops, type /vps stop web01.",
      where: { user: DAVE, channel: OPS },
      act: () => type("/vps stop web01"),
      done: (look) => look.mine(OPS, DAVE).some((one) => says(one, "he may read")),
    },
    {
      say: "Become Bob, press Deny on the card in #approvals, and say why.",
      where: { user: BOB, channel: APPROVALS },
      act: async () => {
        await pressOnCard("vps:deny");
        await enter('.sheet [data-action="reason"]', "not during the day");
        await press('.sheet [data-submit="vps:deny"]');
      },
      done: (look) => ended(look.change("reboot"), "denied") && look.call("vps_reboot")?.state === "failed",
    },
  ],
  astray: (look, step) => {
    const reboot = look.change("reboot");
    if (step < 4 && ended(reboot, "denied")) return { why: "Bob denied it before Dave had tried.", step: 4 };
    return endedOtherwise(reboot, "denied") || (step < 4 && givenUp(look.call("vps_reboot")));
  },
  checked: "No vote of Dave's counted, nothing reached the provider, and the agent got the reason.",
  proof: (look) => look.effects().length === 0 && look.change("reboot").votes.every((one) => one.who === "bob"),
};

export const SCENES = [command, confirmation, approval, provisioning, failure, outsider];
