/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* box.mjs HTTP HTTPS STEP ARGUMENT…: what people do in a browser on an emulated box (image/test/), whose ports
 * 80 and 443 are forwarded to HTTP and HTTPS of the loopback address; the browser finds it by its name. Steps:
 *
 *   first-run CODE NAME PASSWORD   on a phone without script: from the first page to the running box, and a post
 *   update FILE NAME PASSWORD      signs in and gives the page of updates the file
 *   read PATH NAME PASSWORD        signs in, and prints what the page says
 *
 * Ends with 0 when all went well, else it says on standard error what the page said. */
import { open, ownComplaints } from './browser.mjs';

const [http, https, step, ...words] = process.argv.slice(2);
const { browser, close } = await open([`--host-resolver-rules=MAP lliure.local:80 127.0.0.1:${http}, ` +
	`MAP lliure.local:443 127.0.0.1:${https}`]);
const context = await browser.newContext({ viewport: { width: 320, height: 640 }, javaScriptEnabled: false,
	locale: 'en', ignoreHTTPSErrors: true });
const page = await context.newPage();
page.setDefaultTimeout(90000);

const fill = (selector, text) => page.locator(selector).first().fill(text);
const click = (selector) => page.locator(selector).first().click();
const said = () => page.locator('main').innerText();

async function must(what, text) {
	const bad = await ownComplaints(page);
	if (text && !(await said()).includes(text))
		bad.push(`does not say “${text}”`);
	if (bad.length)
		throw new Error(`${what} (${page.url()}) ${bad.join('; ')}\n${(await said()).slice(0, 600)}`);
	console.log(`${what}: ${new URL(page.url()).pathname}`);
}

async function signIn(name, password) {
	await page.goto('https://lliure.local/sign-in?lang=en');
	await fill('#name', name);
	await fill('#password', password);
	await click('main form button');
	await page.waitForURL((u) => u.pathname !== '/sign-in');
}

const steps = {
	async 'first-run'(code, name, password) {
		await page.goto('http://lliure.local/?lang=en');
		await must('the first page', 'This box is new');
		await page.goto('https://lliure.local/?lang=en');
		await fill('#code', code);
		await click('main form button');
		await must('the four ways', 'How does this box begin?');
		await click('a[href="/setup/found"]');
		await fill('#name', 'Ateneu');
		await fill('#admin', name);
		await fill('#password', password);
		await fill('#password2', password);
		await click('main form button');
		await page.waitForURL((u) => u.pathname === '/admin', { timeout: 120000 });
		await must('the running box', 'The box is running, and you are signed in');
		await page.goto('https://lliure.local/forum/general/new?lang=en');
		await fill('#title', 'Des del mòbil');
		await fill('#text', 'El primer tema.');
		await click('main form button');
		await page.waitForURL((u) => /^\/forum\/general\/topics\//.test(u.pathname) || /topic/.test(u.pathname));
		await must('the first post', 'El primer tema.');
	},
	async update(file, name, password) {
		await signIn(name, password);
		await page.goto('https://lliure.local/admin/update?lang=en');
		await must('the page of updates', 'A new update');
		await page.locator('#file').setInputFiles(file);
		await page.locator('form[enctype="multipart/form-data"] button').click({ timeout: 500000 });
		await must('the update is given', 'being checked');
	},
	async read(path, name, password) {
		await signIn(name, password);
		await page.goto(`https://lliure.local${path}`);
		await must(path);
		console.log(await said());
	},
};

let status = 0;
try {
	await steps[step](...words);
} catch (e) {
	console.error(String(e.message).split('\n').slice(0, 20).join('\n'));
	status = 1;
}
await close();
process.exit(status);
