/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/page/language_table.h"
#include <stddef.h>

static unsigned one_and_others(unsigned long n)
{
	return n != 1;
}

const struct language_words language_table[] = {
	{
		.code = "ca",
		.name = "Català",
		.months = {"de gener", "de febrer", "de març", "d'abril", "de maig", "de juny",
			   "de juliol", "d'agost", "de setembre", "d'octubre", "de novembre",
			   "de desembre"},
		.months_short = {"gen.", "febr.", "març", "abr.", "maig", "juny", "jul.", "ag.",
				 "set.", "oct.", "nov.", "des."},
		.date = "%d %s de %d",
		.date_short = "%d %s %d",
		.now = "ara mateix",
		.minutes = {"fa un minut", "fa %d minuts"},
		.hours = {"fa una hora", "fa %d hores"},
		.days = {"fa un dia", "fa %d dies"},
		.thousands = ".",
		.decimal = ",",
		.plural = one_and_others,
	},
	{
		.code = "es",
		.name = "Español",
		.months = {"de enero", "de febrero", "de marzo", "de abril", "de mayo", "de junio",
			   "de julio", "de agosto", "de septiembre", "de octubre", "de noviembre",
			   "de diciembre"},
		.months_short = {"ene.", "feb.", "mar.", "abr.", "may.", "jun.", "jul.", "ago.",
				 "sept.", "oct.", "nov.", "dic."},
		.date = "%d %s de %d",
		.date_short = "%d %s %d",
		.now = "ahora mismo",
		.minutes = {"hace un minuto", "hace %d minutos"},
		.hours = {"hace una hora", "hace %d horas"},
		.days = {"hace un día", "hace %d días"},
		.thousands = ".",
		.decimal = ",",
		.plural = one_and_others,
	},
	{
		.code = "en",
		.name = "English",
		.months = {"January", "February", "March", "April", "May", "June", "July", "August",
			   "September", "October", "November", "December"},
		.months_short = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
				 "Oct", "Nov", "Dec"},
		.date = "%d %s %d",
		.date_short = "%d %s %d",
		.now = "just now",
		.minutes = {"a minute ago", "%d minutes ago"},
		.hours = {"an hour ago", "%d hours ago"},
		.days = {"a day ago", "%d days ago"},
		.thousands = ",",
		.decimal = ".",
		.plural = one_and_others,
	},
	{.code = NULL},
};
