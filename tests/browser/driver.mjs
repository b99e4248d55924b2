// Drives a real Chromium for pytest: one JSON command a line on standard input, one JSON answer a line on standard output.
// When standard input closes, the browser ends.
import { chromium } from "playwright-core";
import { obey } from "../support/commands.mjs";

const QUIET = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-gpu",
  "--disable-quic",
  "--disable-sync",
  "--no-first-run",
];

let browser;
const contexts = new Map();
const pages = new Map();

/** A function from its text, made here: a page's Content-Security-Policy forbids it there. */
const made = (source) => (0, eval)(`(${source})`);

const commands = {
  async launch({ executablePath, args, sandbox, headless, env }) {
    browser = await chromium.launch({ executablePath, args: [...QUIET, ...args], chromiumSandbox: sandbox, headless, env });
    return browser.version();
  },

  async context({ context, options }) {
    contexts.set(context, await browser.newContext({ ignoreHTTPSErrors: true, ...options }));
  },

  async closeContext({ context }) {
    await contexts.get(context).close();
    contexts.delete(context);
  },

  /** `state` by the browser's own protocol: "granted", "denied" or "prompt". */
  async permit({ context, page, origin, name, state }) {
    const session = await contexts.get(context).newCDPSession(pages.get(page).page);
    await session.send("Browser.setPermission", { permission: { name }, setting: state, origin });
    await session.detach();
  },

  async grantPermissions({ context, permissions, origin }) {
    await contexts.get(context).grantPermissions(permissions, { origin });
  },

  async page({ context, page }) {
    const opened = await contexts.get(context).newPage();
    const seen = { page: opened, console: [], errors: [] };
    opened.on("console", (message) => {
      seen.console.push({ type: message.type(), text: message.text() });
    });
    opened.on("pageerror", (error) => seen.errors.push(String(error)));
    pages.set(page, seen);
  },

  async goto({ page, url }) {
    const response = await pages.get(page).page.goto(url);
    return { status: response?.status() ?? null, headers: response?.headers() ?? {}, url: pages.get(page).page.url() };
  },

  evaluate: ({ page, source, argument }) => pages.get(page).page.evaluate(made(source), argument),

  async evaluateInFrame({ page, selector, source, argument }) {
    const element = await pages.get(page).page.waitForSelector(selector);
    return (await element.contentFrame()).evaluate(made(source), argument);
  },

  async waitFor({ page, source, argument }) {
    const handle = await pages.get(page).page.waitForFunction(made(source), argument);
    return handle.jsonValue();
  },

  async click({ page, selector }) {
    await pages.get(page).page.click(selector);
  },

  async choose({ page, selector, values }) {
    await pages.get(page).page.selectOption(selector, values);
  },

  async check({ page, selector, checked }) {
    await pages.get(page).page.setChecked(selector, checked);
  },

  async press({ page, keys }) {
    for (const key of keys) await pages.get(page).page.keyboard.press(key);
  },

  async files({ page, selector, paths }) {
    await pages.get(page).page.setInputFiles(selector, paths);
  },

  async download({ page, selector, path }) {
    const opened = pages.get(page).page;
    const [download] = await Promise.all([opened.waitForEvent("download"), opened.click(selector)]);
    await download.saveAs(path);
    return download.suggestedFilename();
  },

  text: ({ page, selector }) => pages.get(page).page.innerText(selector),

  async emulate({ page, colorScheme, width, height }) {
    if (colorScheme) await pages.get(page).page.emulateMedia({ colorScheme });
    if (width) await pages.get(page).page.setViewportSize({ width, height });
  },

  async screenshot({ page, path }) {
    await pages.get(page).page.screenshot({ path, fullPage: true });
  },

  seen: ({ page }) => ({ console: pages.get(page).console, errors: pages.get(page).errors }),
};

await obey(commands);
await browser?.close();
