/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* setup.mjs URL CODE WIDTH: the first run in a browser, from the code to the running box and its recovery sheets,
 * without script at 320 px and with it at 1280 px. URL is on the loopback address of a box that is new. */
import { open, complaints, ownComplaints, tap } from './browser.mjs';

const [base, code, width] = process.argv.slice(2);
const phone = Number(width) < 500;
const t = tap();
const { browser, close } = await open();
const context = await browser.newContext({ viewport: { width: Number(width), height: 700 }, javaScriptEnabled: !phone,
	locale: 'en', colorScheme: phone ? 'light' : 'dark' });
const page = await context.newPage();
page.setDefaultTimeout(20000);

async function see(what, { text, path } = {}) {
	const bad = await (phone ? ownComplaints : complaints)(page);
	const said = await page.locator('main').innerText();
	if (text && !said.includes(text))
		bad.push(`does not say “${text}” but: ${said.slice(0, 300)}`);
	if (path && !new URL(page.url()).pathname.match(path))
		bad.push(`is at ${page.url()}`);
	t.test(`${width} px: ${what}`, bad);
}
const fill = (selector, words) => page.locator(selector).first().fill(words);
const click = (selector) => page.locator(selector).first().click();

async function firstRun() {
	await page.goto(`${base}/?lang=en`);
	await see('a new box asks for its code', { text: 'The code' });
	await fill('#code', 'aaaaa-bbbbb');
	await click('main form button');
	await see('a wrong code', { text: 'This is not the code' });
	await fill('#code', code.toUpperCase());
	await click('main form button');
	await see('the four ways', { text: 'How does this box begin?' });
	for (const way of ['join', 'replace', 'restore', 'found']) {
		await page.goto(`${base}/`);
		await click(`a[href="/setup/${way}"]`);
		await see(`the way “${way}”`, { path: `^/setup/${way}$` });
	}
	await fill('#name', 'Ateneu de Prova');
	await fill('#admin', 'Montserrat');
	await fill('#password', 'una frase ben llarga');
	await fill('#password2', 'una altra frase llarga');
	await click('main form button');
	await see('passwords that differ', { text: 'not the same' });
	await fill('#password', 'una frase ben llarga');
	await fill('#password2', 'una frase ben llarga');
	await click('main form button');
	await page.waitForURL((u) => u.pathname === '/setup/progress' || u.pathname === '/admin');
	/* The page loads itself again until the box is there; nothing has to be clicked. */
	await page.waitForURL((u) => u.pathname === '/admin');
	await see('the running box', { text: 'The box is running, and you are signed in' });
}

async function careForIt() {
	await page.goto(`${base}/admin/recovery`);
	await see('backups and sheets', { path: '^/admin/recovery$' });
	await click('form[action="/admin/recovery/places"] input[name="folder"]');
	await click('form[action="/admin/recovery/places"] button');
	await see('a disk was chosen', { text: 'Backups go there' });
	await click('form[action="/admin/recovery/now"] button');
	for (let i = 0; i < 500; i++) {
		await page.goto(`${base}/admin/recovery`);
		if (await page.locator('main time').count() >= 2)
			break;
		await page.waitForTimeout(300);
	}
	await see('a backup was made', { text: 'in order' });
	await click('form[action="/admin/recovery/prove"] button');
	for (let i = 0; i < 500; i++) {
		await page.goto(`${base}/admin/recovery`);
		if ((await page.locator('main').innerText()).includes('everything was right'))
			break;
		await page.waitForTimeout(300);
	}
	await see('it was tried out', { text: 'everything was right' });
	await click('a[href="/admin/recovery/replace"]');
	await see('replacing a lost box');
}

async function printSheets() {
	await page.goto(`${base}/admin/recovery/sheets`);
	await see('what sheets are', { text: 'Three sheets of paper' });
	await click('form[action="/admin/recovery/sheets"] button');
	await see('three sheets', { text: 'Recovery sheet 3 of 3' });
	const bad = [];
	const sheets = await page.locator('.a4').count();
	const lines = await page.locator('.codes li').allInnerTexts();
	if (sheets !== 3 || lines.length !== 18)
		bad.push(`has ${sheets} sheets and ${lines.length} lines`);
	if (lines.some((l) => !/^([A-Z2-7]{4} ){4}[A-Z2-7]{2}$/.test(l.trim())))
		bad.push(`has a line such as ${lines.find((l) => !/^([A-Z2-7]{4} ){4}[A-Z2-7]{2}$/.test(l.trim()))}`);
	const pdf = (await page.pdf({ preferCSSPageSize: true })).toString('latin1');
	const pages = (pdf.match(/\/Type\s*\/Page\b(?!s)/g) || []).length;
	if (pages !== 3)
		bad.push(`prints as ${pages} pages`);
	if (!/\/MediaBox\s*\[0 0 59[0-9.]+ 84[0-9.]+\]/.test(pdf))
		bad.push('is not printed on A4');
	t.test(`${width} px: each sheet is a page of A4`, bad);
}

for (const [what, step] of [['the first run', firstRun], ['care', careForIt], ['sheets', printSheets]]) {
	try {
		await step();
	} catch (e) {
		t.test(`${width} px: ${what}`, String(e.message).split('\n').slice(0, 8));
	}
}
t.end();
await close();
