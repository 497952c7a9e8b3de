package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"minato.dev/minato/internal/home"
)

func envCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "env",
		Short: "print the environment that aws, kubectl and terraform need",
		Long: `Print export lines for the administrator of an account. Use it as

    eval "$(minato env)"`,
		Args: cobra.NoArgs,
	}
	dir := homeFlag(cmd)
	account := cmd.Flags().String("account", "", "the account whose administrator to be (default the first)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d, err := dir()
		if err != nil {
			return err
		}
		return printEnv(cmd.OutOrStdout(), d, *account)
	}
	return cmd
}

func printEnv(w io.Writer, d home.Dir, account string) error {
	if !d.Exists() {
		return fmt.Errorf("no server was ever started in %s: run `minato up` first", d)
	}
	cfg, err := d.LoadConfig()
	if err != nil {
		return err
	}
	if account == "" {
		account = cfg.Accounts[0]
	}
	keys, err := d.LoadCredentials()
	if err != nil {
		return err
	}
	key, ok := keys[account]
	if !ok && slices.Contains(cfg.Accounts, account) {
		return fmt.Errorf("the server has not made account %s yet: try again when `minato up` says that it is up", account)
	}
	if !ok {
		return fmt.Errorf("there is no account %s here; there are: %s", account, strings.Join(cfg.Accounts, ", "))
	}
	lines := [][2]string{
		{"AWS_ENDPOINT_URL", cfg.EndpointURL()},
		{"AWS_ACCESS_KEY_ID", key.AccessKeyID},
		{"AWS_SECRET_ACCESS_KEY", key.SecretAccessKey},
		{"AWS_REGION", string(cfg.Region)},
		{"AWS_DEFAULT_REGION", string(cfg.Region)},
	}
	if cfg.TLS() {
		lines = append(lines, [2]string{"AWS_CA_BUNDLE", d.PublicCA()})
	}
	for _, l := range lines {
		fmt.Fprintf(w, "export %s='%s'\n", l[0], l[1])
	}
	// A session token or profile of the user's own would be sent along with our keys and be refused.
	fmt.Fprintln(w, "unset AWS_SESSION_TOKEN AWS_PROFILE")
	return nil
}
