// Keeps the live parts of a page fresh, and sends its forms without leaving it. Every page works
// without this file too, by reload.
//
// A live part is an element with `data-live` (where to fetch it) and `data-every` (milliseconds).
// What arrives is merged into what is there: elements stay the same elements, so that focus, typed
// text and open drawers survive, and nothing jumps.
(() => {
  "use strict";

  // ---- merging

  // By attribute: in a form, `.id` would be its field of that name.
  const id = (node) => node.getAttribute?.("id") || "";

  const same = (old, fresh) =>
    old.nodeType === fresh.nodeType &&
    old.nodeName === fresh.nodeName &&
    id(old) === id(fresh) &&
    (old.dataset?.key || "") === (fresh.dataset?.key || "");

  // A drawer or dialog is open because the person opened it.
  const theirs = (element, name) =>
    name === "open" && (element.nodeName === "DETAILS" || element.nodeName === "DIALOG");

  function merge(old, fresh) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    if (old.isEqualNode(fresh)) return;
    for (const { name } of [...old.attributes])
      if (!fresh.hasAttribute(name) && !theirs(old, name)) old.removeAttribute(name);
    for (const { name, value } of [...fresh.attributes])
      if (old.getAttribute(name) !== value && !theirs(old, name)) old.setAttribute(name, value);
    mergeChildren(old, fresh);
  }

  function mergeChildren(old, fresh) {
    let here = old.firstChild;
    for (const wanted of [...fresh.childNodes]) {
      let found = here;
      while (found && !same(found, wanted)) found = found.nextSibling;
      if (!found) {
        old.insertBefore(document.adoptNode(wanted), here);
        continue;
      }
      while (here !== found) here = drop(here);
      merge(found, wanted);
      here = found.nextSibling;
    }
    while (here) here = drop(here);
  }

  function drop(node) {
    const next = node.nextSibling;
    node.remove();
    return next;
  }

  const parse = (html) => new DOMParser().parseFromString(html, "text/html");

  function settle() {
    openDialogs();
    tick();
    scrollChats();
    offerToCopy();
  }

  // ---- fetching

  let eager = 0; // until when a person's action may still show an effect: look more often
  const parts = new Map(); // data-live → { tag, due, busy, failures }

  function refreshAll() {
    for (const part of parts.values()) part.due = 0;
    look();
  }

  function look() {
    if (document.hidden) return;
    const now = performance.now();
    for (const element of document.querySelectorAll("[data-live]")) {
      const address = element.dataset.live;
      const every = now < eager ? Math.min(1000, Number(element.dataset.every)) : Number(element.dataset.every);
      let part = parts.get(address);
      if (!part) parts.set(address, (part = { tag: null, due: now + every, busy: false }));
      part.due = Math.min(part.due, now + every);
      if (!part.busy && now >= part.due) refresh(element.id, address, part);
    }
  }

  async function refresh(id, address, part) {
    part.busy = true;
    const began = actions;
    try {
      const headers = part.tag ? { "If-None-Match": part.tag } : {};
      const answer = await fetch(address, { headers, cache: "no-store" });
      setClock(answer);
      reachable(true);
      if (answer.status === 401) return location.reload();
      if (answer.status === 404) return location.assign("/");
      if (answer.status === 200) {
        const fresh = parse(await answer.text()).getElementById(id);
        const element = document.getElementById(id);
        // What was asked before the person did something tells of a world that is gone.
        if (began !== actions || !element || element.dataset.live !== address || !fresh) return;
        part.tag = answer.headers.get("ETag");
        merge(element, fresh);
        settle();
      }
    } catch {
      reachable(false);
    } finally {
      part.busy = false;
      const element = document.getElementById(id);
      part.due = performance.now() + Number(element?.dataset.every || 5000);
    }
  }

  let failures = 0;
  function reachable(yes) {
    failures = yes ? 0 : failures + 1;
    const words = document.getElementById("unreachable");
    if (words) words.hidden = failures < 2; // one lost answer is nothing to tell anybody
  }

  // ---- forms

  let actions = 0;

  async function send(form, button) {
    actions += 1;
    eager = performance.now() + 8000;
    const body = new FormData(form, button);
    const rest = [...form.querySelectorAll("button")];
    form.setAttribute("aria-busy", "true");
    rest.forEach((one) => (one.disabled = true));
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        body: new URLSearchParams(body),
        headers: { Accept: "text/html" },
      });
      setClock(answer);
      reachable(true);
      show(await answer.text(), answer.redirected ? answer.url : location.href, form);
    } catch {
      failures = 1; // the person waits for this one: tell at once; sending it again is theirs
      reachable(false);
    } finally {
      rest.forEach((one) => (one.disabled = false));
      form.removeAttribute("aria-busy");
    }
    if (button?.isConnected) button.focus({ preventScroll: true });
  }

  function show(html, address, form) {
    const fresh = parse(html);
    if (form.hasAttribute("data-reset")) form.reset();
    if (address !== location.href) history.replaceState(null, "", address);
    document.title = fresh.title;
    for (const part of parts.values()) part.tag = null;
    merge(document.body, fresh.body);
    for (const box of document.querySelectorAll("input[type=checkbox]"))
      box.checked = box.defaultChecked; // as it is now, whatever was clicked
    settle();
    refreshAll();
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || "plain" in form.dataset || event.defaultPrevented) return;
    event.preventDefault();
    if (form.getAttribute("aria-busy") !== "true") send(form, event.submitter);
  });

  // A switch acts when it is switched.
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-at-once]")) event.target.form.requestSubmit();
  });

  // ---- dialogs

  function openDialogs() {
    for (const dialog of document.querySelectorAll("dialog[data-modal]")) {
      if (dialog.matches(":modal")) continue;
      dialog.removeAttribute("open");
      dialog.showModal();
    }
  }

  document.addEventListener(
    "cancel",
    (event) => {
      const away = event.target.dataset?.close;
      if (!away) return;
      event.preventDefault();
      location.assign(away);
    },
    true,
  );

  // ---- time

  let ahead = 0; // how far the server's clock is ahead of this one, in milliseconds

  function setClock(answer) {
    const server = Date.parse(answer.headers.get("Date") || "");
    if (server && Math.abs(server - Date.now() - ahead) > 2000) ahead = server - Date.now();
  }

  function written(seconds) {
    if (seconds < 60) return `${seconds} s`;
    const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    const two = (n) => String(n).padStart(2, "0");
    return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
  }

  const left = (moment) => Math.max(0, (Date.parse(moment) - Date.now() - ahead) / 1000);

  function tick() {
    for (const element of document.querySelectorAll("[data-until]")) {
      const seconds = Math.ceil(left(element.dataset.until));
      const bare = "bare" in element.dataset;
      const text = bare ? String(seconds) : written(seconds);
      const words = seconds || bare ? element.dataset.words.replace("{n}", text) : element.dataset.zero;
      if (element.textContent !== words) element.textContent = words;
    }
    for (const ring of document.querySelectorAll("[data-ring]")) {
      const part = Math.min(1, left(ring.dataset.ring) / Number(ring.dataset.seconds));
      ring.setAttribute("stroke-dasharray", `${(part * 100).toFixed(1)} 100`);
    }
  }

  // ---- copying

  function offerToCopy() {
    if (!navigator.clipboard) return; // not over plain HTTP from another machine
    for (const button of document.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
    button.textContent = button.dataset.done;
  });

  // ---- chats

  const bottoms = new WeakMap();

  function scrollChats() {
    for (const chat of document.querySelectorAll("[data-bottom]")) {
      const last = chat.lastElementChild?.dataset.key || "";
      if (bottoms.get(chat) !== last) chat.scrollTop = chat.scrollHeight;
      bottoms.set(chat, last);
    }
  }

  document.addEventListener("visibilitychange", () => document.hidden || refreshAll());
  setInterval(tick, 250);
  setInterval(look, 250);
  settle();
  look();
})();
