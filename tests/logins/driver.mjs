// Drives Firefox or Chromium for pytest: one JSON command a line on standard input, one JSON answer a line on standard
// output. When standard input closes, the browser ends.
import puppeteer from "puppeteer-core";
import { obey } from "../support/commands.mjs";

let browser;
let profile;

const commands = {
  async launch({ options }) {
    browser = await puppeteer.launch({ defaultViewport: null, ...options });
    profile = browser.defaultBrowserContext();
    return browser.version();
  },

  /** Go on in a private window. */
  async private() {
    profile = await browser.createBrowserContext();
  },

  /** Open a page in a tab of its own, since what follows a failed page in the same tab races with the browser's account
   *  of the failure. `error` is what the browser says of a connection that failed, or that took more than `patience`
   *  seconds. */
  async visit({ url, patience }) {
    const tab = await profile.newPage();
    try {
      const response = await tab.goto(url, { timeout: patience * 1000 });
      return { status: response?.status() ?? null, text: await tab.evaluate(() => document.body.innerText), error: "" };
    } catch (error) {
      return { status: null, text: "", error: String(error?.message ?? error) };
    } finally {
      await tab.close();
    }
  },
};

await obey(commands);
await browser?.close();
